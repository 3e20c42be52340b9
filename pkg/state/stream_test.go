package state_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// TestStream reads the golden snapshots from streams that give what they have in
// small pieces, and compares them with those read from memory.
func TestStream(t *testing.T) {
	for _, c := range golden.Cases(t) {
		for name, blob := range c.Files {
			if !strings.HasPrefix(name, "snapshot-") {
				continue
			}
			want, err := state.ReadSnapshot(blob, state.ReadOptions{})
			for kind, r := range map[string]io.Reader{
				"whole": bytes.NewReader(blob), "halves": iotest.HalfReader(bytes.NewReader(blob)),
				"bytes": iotest.OneByteReader(bytes.NewReader(blob)), "error with data": iotest.DataErrReader(bytes.NewReader(blob)),
			} {
				got, gotErr := state.ReadSnapshotFrom(r, int64(len(blob)), nil)
				if (gotErr == nil) != (err == nil) || err != nil && !errors.Is(gotErr, state.ErrCorrupt) {
					t.Fatalf("%s of %s, %s: error %v, from memory %v", name, c.Name, kind, gotErr, err)
				}
				if err == nil {
					if err := state.Same(want, got); err != nil {
						t.Errorf("%s of %s, %s: %v", name, c.Name, kind, err)
					}
				}
			}
		}
	}
}

// TestStreamFiltered reads the golden snapshots from streams, each type of them
// alone, and compares them with those read from memory.
func TestStreamFiltered(t *testing.T) {
	for _, c := range golden.Cases(t) {
		for name, blob := range c.Files {
			all, err := state.ReadSnapshot(blob, state.ReadOptions{})
			if !strings.HasPrefix(name, "snapshot-") || err != nil {
				continue
			}
			for typeName := range all.Schemas() {
				filter, err := state.ParseFilter("rules:excludeAll,include:" + typeName)
				if err != nil {
					t.Fatal(err)
				}
				want, err := state.ReadSnapshot(blob, state.ReadOptions{Filter: filter})
				if err != nil {
					t.Fatalf("%s of %s, %s: %v", name, c.Name, typeName, err)
				}
				got, err := state.ReadSnapshotFrom(iotest.HalfReader(bytes.NewReader(blob)), int64(len(blob)), filter)
				if _, schemas, _ := state.ReadHeader(blob); len(schemas) == 0 {
					if !errors.Is(err, state.ErrNotBindable) {
						t.Errorf("%s of %s, whose header has no schemas: %v", name, c.Name, err)
					}
					continue
				}
				if err != nil {
					t.Fatalf("%s of %s, %s from a stream: %v", name, c.Name, typeName, err)
				}
				if err := state.Same(want, got); err != nil {
					t.Errorf("%s of %s, %s: %v", name, c.Name, typeName, err)
				}
			}
		}
	}
}

// TestStreamEnds cuts a stream everywhere, where it ends and where it fails.
func TestStreamEnds(t *testing.T) {
	c := golden.Load(t, "00-minimal")
	blob := c.File("snapshot-" + c.Index.Versions[0].Version.String())
	broken := errors.New("the wire is cut")
	for i := range blob {
		size := int64(len(blob))
		if _, err := state.ReadSnapshotFrom(bytes.NewReader(blob[:i]), size, nil); !errors.Is(err, state.ErrCorrupt) {
			t.Errorf("cut at byte %d of %d: error %v, want ErrCorrupt", i, size, err)
		}
		r := io.MultiReader(bytes.NewReader(blob[:i]), iotest.ErrReader(broken))
		if _, err := state.ReadSnapshotFrom(r, size, nil); !errors.Is(err, broken) || errors.Is(err, state.ErrCorrupt) {
			t.Errorf("failing at byte %d of %d: error %v", i, size, err)
		}
		if _, err := state.ReadSnapshotFrom(bytes.NewReader(blob), int64(i), nil); !errors.Is(err, state.ErrCorrupt) {
			t.Errorf("said to have %d bytes of %d: error %v, want ErrCorrupt", i, size, err)
		}
	}
	if _, err := state.ReadSnapshotFrom(bytes.NewReader(blob), -1, nil); !errors.Is(err, state.ErrCorrupt) {
		t.Errorf("said to have -1 byte: error %v, want ErrCorrupt", err)
	}
}
