package state_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// FuzzParts reads a snapshot with an optional part, and a delta with one, all
// four from the input. The delta and its part get the tag of the state, so that
// more than the tag is tried.
func FuzzParts(f *testing.F) {
	c := golden.Load(f, "17-optional-parts")
	const from, to = "20250101000018001", "20250101000018002"
	file := func(kind, part, versions string) []byte { return c.File(golden.PartFile(kind+"-"+versions, part)) }
	for _, part := range []string{"images", "extras"} {
		f.Add(part, c.File("snapshot-"+from), file("snapshot", part, from), c.File("delta-"+from+"-"+to), file("delta", part, from+"-"+to))
	}
	f.Add("images", c.File("snapshot-"+from), file("snapshot", "extras", from), c.File("delta-"+from+"-"+to), file("delta", "extras", from+"-"+to))
	f.Fuzz(func(t *testing.T, name string, snapshot, snapshotPart, delta, deltaPart []byte) {
		var base, next *state.State
		var err error
		n := allocated(func() {
			base, err = state.ReadSnapshot(snapshot, state.ReadOptions{Parts: []state.Part{{Name: name, Data: snapshotPart}}})
		})
		checkAllocation(t, "snapshot with a part", len(snapshot)+len(snapshotPart), n)
		if err != nil {
			if !errors.Is(err, state.ErrCorrupt) {
				t.Errorf("error %v is not ErrCorrupt", err)
			}
			return
		}
		readAll(t, base)
		sum := base.HollowChecksum()
		delta, deltaPart = startAt(base, delta), startAt(base, deltaPart)
		n = allocated(func() { next, err = base.Apply(delta, state.Part{Name: name, Data: deltaPart}) })
		checkAllocation(t, "delta with a part", len(snapshot)+len(snapshotPart)+len(delta)+len(deltaPart), n)
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
	})
}

// startAt returns a copy of a delta, or of a part of one, that starts at base.
// A part has its name behind the format.
func startAt(base *state.State, delta []byte) []byte {
	delta = bytes.Clone(delta)
	at := 4
	if len(delta) >= 6 && binary.BigEndian.Uint32(delta) != 1030 {
		at += 2 + int(binary.BigEndian.Uint16(delta[4:]))
	}
	if len(delta) >= at+8 {
		binary.BigEndian.PutUint64(delta[at:], uint64(base.Header().Tag))
	}
	return delta
}

// FuzzFilter reads any text as a filter, and a snapshot and a delta through it:
// what is left is in the state without a filter too.
func FuzzFilter(f *testing.F) {
	c := golden.Load(f, "00-minimal")
	filtered := golden.Load(f, "22-filters")
	snapshot, delta := filtered.File("snapshot-20250101000023001"), filtered.File("delta-20250101000023001-20250101000023002")
	for _, check := range filtered.Index.Checks {
		if check.Filter != "" {
			f.Add(check.Filter)
		}
	}
	for name := range strings.FieldsSeq("rules: config: rules:excludeAll,includeRecursive:Movie config:EXCLUDE|Movie.title") {
		f.Add(name)
	}
	whole, err := state.ReadSnapshot(snapshot, state.ReadOptions{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string) {
		var filter *state.Filter
		var err error
		n := allocated(func() { filter, err = state.ParseFilter(text) })
		checkAllocation(t, "filter", len(text), n)
		if err != nil {
			return
		}
		if _, err := state.ReadSnapshot(c.File("snapshot-20250101000001001"), state.ReadOptions{Filter: filter}); err != nil {
			t.Errorf("filter %q: %v", text, err)
		}
		var s *state.State
		n = allocated(func() { s, err = state.ReadSnapshot(snapshot, state.ReadOptions{Filter: filter}) })
		checkAllocation(t, "filtered snapshot", len(snapshot)+len(text), n)
		if err != nil {
			t.Fatalf("filter %q: %v", text, err)
		}
		for _, typ := range s.Types() {
			name := typ.Schema().Name
			if all := whole.Type(name); all == nil || typ.Len() != all.Len() || len(typ.Schema().Fields) > len(all.Schema().Fields) {
				t.Errorf("filter %q: type %s with %d records is not one of the snapshot", text, name, typ.Len())
			}
		}
		next, err := s.Apply(delta)
		if err != nil {
			t.Fatalf("filter %q: %v", text, err)
		}
		readAll(t, next)
	})
}
