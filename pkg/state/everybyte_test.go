package state_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// masks flip the lowest bit, the highest, which continues a number of variable
// length, one between, and all.
var masks = []byte{0x01, 0x80, 0x10, 0xff}

// flip calls read with a blob that has one byte flipped, for every byte of it
// and so many of the masks, others for each byte.
func flip(blob []byte, of int, read func(at int, mask byte, bad []byte)) {
	bad := bytes.Clone(blob)
	for i := range bad {
		for k := range of {
			mask := masks[(i+k)%len(masks)]
			bad[i] ^= mask
			read(i, mask, bad)
			bad[i] ^= mask
		}
	}
}

// outcome fails t unless reading a damaged blob gave a known error, or a state
// that can be read.
func outcome(t *testing.T, s *state.State, err error) {
	t.Helper()
	switch {
	case err == nil:
		readAll(t, s)
	case !errors.Is(err, state.ErrCorrupt) && !errors.Is(err, state.ErrWrongBase):
		t.Errorf("error %v", err)
	}
}

// TestEveryByteOfSnapshot flips each byte of small snapshots, and cuts them
// everywhere: bare, a flipped one may still be a state, a cut one may not.
func TestEveryByteOfSnapshot(t *testing.T) {
	for name, of := range map[string]int{"00-minimal": len(masks), "23-abandoned-version": 1} {
		c := golden.Load(t, name)
		blob := c.File("snapshot-" + c.Index.Versions[0].Version.String())
		flip(blob, of, func(at int, mask byte, bad []byte) {
			s, err := state.ReadSnapshot(bad, state.ReadOptions{})
			if outcome(t, s, err); t.Failed() {
				t.Fatalf("%s, byte %d of %d, mask %x", name, at, len(bad), mask)
			}
		})
		for i := range blob {
			if _, err := state.ReadSnapshot(blob[:i], state.ReadOptions{}); !errors.Is(err, state.ErrCorrupt) {
				t.Errorf("%s, cut at byte %d of %d: error %v, want ErrCorrupt", name, i, len(blob), err)
			}
		}
	}
}

// TestEveryByteOfDelta does the same to deltas and reverse deltas; the state
// under them does not change.
func TestEveryByteOfDelta(t *testing.T) {
	c := golden.Load(t, "23-abandoned-version")
	for file, blob := range c.Files {
		kind, versions, _ := strings.Cut(file, "-")
		if kind != "delta" && kind != "reversedelta" {
			continue
		}
		from, _, _ := strings.Cut(versions, "-")
		base, err := state.ReadSnapshot(c.File("snapshot-"+from), state.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		sum := base.HollowChecksum()
		flip(blob, len(masks), func(at int, mask byte, bad []byte) {
			s, err := base.Apply(bad)
			if outcome(t, s, err); t.Failed() {
				t.Fatalf("%s, byte %d of %d, mask %x", file, at, len(bad), mask)
			}
		})
		for i := range blob {
			if _, err := base.Apply(blob[:i]); !errors.Is(err, state.ErrCorrupt) && !errors.Is(err, state.ErrWrongBase) {
				t.Errorf("%s, cut at byte %d of %d: error %v, want ErrCorrupt", file, i, len(blob), err)
			}
		}
		if got := base.HollowChecksum(); got != sum {
			t.Errorf("%s changed the state under it: checksum %x, was %x", file, got, sum)
		}
	}
}

// TestEveryByteOfHeader does the same to headers, to what shows blobs and to an
// optional part.
func TestEveryByteOfHeader(t *testing.T) {
	c := golden.Load(t, "17-optional-parts")
	version := c.Index.Versions[0].Version.String()
	snapshot, header := c.File("snapshot-"+version), c.File("header-"+version)
	flip(header, len(masks), func(at int, mask byte, bad []byte) {
		if _, _, err := state.ReadHeader(bad); err != nil && !errors.Is(err, state.ErrCorrupt) {
			t.Errorf("header, byte %d, mask %x: error %v", at, mask, err)
		}
		if err := state.Annotate(io.Discard, bad); err != nil && !errors.Is(err, state.ErrCorrupt) {
			t.Errorf("annotated header, byte %d, mask %x: error %v", at, mask, err)
		}
	})
	flip(c.File(golden.PartFile("snapshot-"+version, "images")), 1, func(at int, mask byte, bad []byte) {
		s, err := state.ReadSnapshot(snapshot, state.ReadOptions{Parts: []state.Part{{Name: "images", Data: bad}}})
		if outcome(t, s, err); t.Failed() {
			t.Fatalf("part, byte %d of %d, mask %x", at, len(bad), mask)
		}
	})
}
