package state_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// maxSeed is the size of the largest golden blob that seeds a fuzz target: the
// smaller a seed, the more of it a mutation reaches.
const maxSeed = 2600

// allocated runs f and returns how many bytes it allocated.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// checkAllocation fails t if decoding took more memory than its input
// explains: a page costs some fifty bytes for a few bits, a field's working
// space half a kilobyte for its eight bytes, and an ordinal far from all others
// a chunk of two kilobytes for its two bytes.
func checkAllocation(t *testing.T, what string, input int, bytes uint64) {
	t.Helper()
	if most := uint64(16<<20) + 3000*uint64(input); bytes > most {
		t.Errorf("%s of %d bytes allocated %d, want at most %d", what, input, bytes, most)
	}
}

// readAll reads every field of every record in all ways; nothing may panic, and
// the checksum fails for known reasons only.
func readAll(t *testing.T, s *state.State) {
	t.Helper()
	if err := s.Dump(io.Discard, "1"); err != nil {
		t.Errorf("dump: %v", err)
	}
	s.HollowChecksum()
	if _, err := s.Checksum(); err != nil &&
		!errors.Is(err, state.ErrDangling) && !errors.Is(err, state.ErrCycle) && !errors.Is(err, state.ErrTooDeep) {
		t.Errorf("checksum: error %v has no known cause", err)
	}
	for _, typ := range s.Types() {
		n := 0
		for o := range typ.Ordinals() {
			n++
			if r := typ.Record(o); typ.Schema().Kind != state.Object && r.Len() > 0 {
				r.Find(r.Element(r.Len() - 1))
			}
		}
		if n != typ.Len() {
			t.Errorf("type %s yields %d ordinals and counts %d", typ.Schema().Name, n, typ.Len())
		}
	}
}

// seeds calls add with the golden blobs of a kind that are small enough.
func seeds(f *testing.F, kind string, add func(c golden.Case, name string, blob []byte)) {
	f.Helper()
	n := 0
	for _, c := range golden.Cases(f) {
		for name, blob := range c.Files {
			if strings.HasPrefix(name, kind) && len(blob) <= maxSeed {
				add(c, name, blob)
				n++
			}
		}
	}
	if n == 0 {
		f.Fatalf("no golden %s is small enough", kind)
	}
}

func FuzzSnapshot(f *testing.F) {
	seeds(f, "snapshot-", func(_ golden.Case, _ string, blob []byte) { f.Add(blob) })
	f.Fuzz(func(t *testing.T, blob []byte) {
		var s *state.State
		var err error
		n := allocated(func() { s, err = state.ReadSnapshot(blob, state.ReadOptions{}) })
		checkAllocation(t, "snapshot", len(blob), n)
		_, streamErr := state.ReadSnapshotFrom(bytes.NewReader(blob), int64(len(blob)), nil)
		if (streamErr == nil) != (err == nil) || streamErr != nil && !errors.Is(streamErr, state.ErrCorrupt) {
			t.Errorf("from a stream: error %v, from memory %v", streamErr, err)
		}
		restore := state.SetTrail(1)
		passed, passedErr := state.ReadSnapshotFrom(bytes.NewReader(blob), int64(len(blob)), nil)
		restore()
		if passedErr != nil && !errors.Is(passedErr, state.ErrCorrupt) || passedErr == nil && err != nil {
			t.Errorf("given back at once: error %v, from memory %v", passedErr, err)
		}
		if passedErr == nil && err == nil {
			if err := state.Same(s, passed); err != nil {
				t.Errorf("given back at once: %v", err)
			}
		}
		for _, text := range []string{"rules:excludeAll", "rules:exclude:Movie"} { // frames are passed over
			filter, _ := state.ParseFilter(text)
			if _, err := state.ReadSnapshotFrom(bytes.NewReader(blob), int64(len(blob)), filter); err != nil && !errors.Is(err, state.ErrCorrupt) && !errors.Is(err, state.ErrNotBindable) {
				t.Errorf("filter %s: error %v", text, err)
			}
		}
		if err != nil {
			if !errors.Is(err, state.ErrCorrupt) {
				t.Errorf("error %v is not ErrCorrupt", err)
			}
			return
		}
		readAll(t, s)
	})
}

// FuzzDelta applies a blob to a state, both from the input. The blob gets the
// tag of the state, so that more than the tag is tried.
func FuzzDelta(f *testing.F) {
	for _, kind := range []string{"delta-", "reversedelta-"} {
		seeds(f, kind, func(c golden.Case, name string, blob []byte) {
			base := "snapshot-" + strings.Split(name, "-")[1]
			if snapshot := c.Files[base]; len(snapshot) > 0 && len(snapshot) <= maxSeed {
				f.Add(snapshot, blob)
			}
		})
	}
	f.Fuzz(func(t *testing.T, snapshot, blob []byte) {
		base, err := state.ReadSnapshot(snapshot, state.ReadOptions{})
		if err != nil {
			return
		}
		sum := base.HollowChecksum()
		if len(blob) >= 12 {
			blob = append([]byte(nil), blob...)
			binary.BigEndian.PutUint64(blob[4:], uint64(base.Header().Tag))
		}
		var next *state.State
		n := allocated(func() { next, err = base.Apply(blob) })
		checkAllocation(t, "delta", len(snapshot)+len(blob), n)
		if got := base.HollowChecksum(); got != sum {
			t.Errorf("the state under the delta changed: checksum %x, was %x", got, sum)
		}
		if err != nil {
			if !errors.Is(err, state.ErrCorrupt) && !errors.Is(err, state.ErrWrongBase) {
				t.Errorf("error %v is neither ErrCorrupt nor ErrWrongBase", err)
			}
			return
		}
		readAll(t, next)
		for name, c := range state.ChangesBetween(base, next) {
			for _, o := range c.Added {
				next.Type(name).Record(o)
			}
		}
	})
}

func FuzzHeader(f *testing.F) {
	seeds(f, "header-", func(_ golden.Case, _ string, blob []byte) { f.Add(blob) })
	f.Fuzz(func(t *testing.T, blob []byte) {
		var schemas []*state.Schema
		var err error
		n := allocated(func() { _, schemas, err = state.ReadHeader(blob) })
		checkAllocation(t, "header", len(blob), n)
		if err != nil {
			if !errors.Is(err, state.ErrCorrupt) {
				t.Errorf("error %v is not ErrCorrupt", err)
			}
			return
		}
		state.DependencyOrder(schemas)
		state.SchemaHash(schemas)
	})
}

// FuzzSchemaText holds that what is printed is read back as it was.
func FuzzSchemaText(f *testing.F) {
	seeds(f, "schema", func(_ golden.Case, _ string, text []byte) { f.Add(string(text)) })
	f.Fuzz(func(t *testing.T, text string) {
		var schemas []*state.Schema
		var err error
		n := allocated(func() { schemas, err = state.ParseSchemas(text) })
		checkAllocation(t, "schema text", len(text), n)
		if err != nil {
			return
		}
		var printed strings.Builder
		for _, s := range schemas {
			printed.WriteString(s.String() + "\n")
		}
		again, err := state.ParseSchemas(printed.String())
		if err != nil || len(again) != len(schemas) {
			t.Fatalf("printed form %q is read as %d types, error %v", printed.String(), len(again), err)
		}
		for i := range again {
			if !again[i].Equal(schemas[i]) {
				t.Errorf("%q is printed as %q", text, schemas[i])
			}
		}
	})
}
