package state_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// mapping returns a mapped file with that content, and the file.
func mapping(t *testing.T, content []byte) ([]byte, *os.File) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	data, err := syscall.Mmap(int(f.Fd()), 0, len(content), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Munmap(data) })
	return data, f
}

// TestMapped reads the golden snapshots from mapped files, as they are and giving back
// each byte at once, and compares them with those read from memory.
func TestMapped(t *testing.T) {
	for _, c := range golden.Cases(t) {
		for name, blob := range c.Files {
			if !strings.HasPrefix(name, "snapshot-") {
				continue
			}
			want, err := state.ReadSnapshot(blob, state.ReadOptions{})
			data, _ := mapping(t, blob)
			for _, step := range []uint64{1 << 20, 1} {
				restore := state.SetTrail(step)
				got, gotErr := state.ReadSnapshotMapped(data, nil)
				restore()
				if (gotErr == nil) != (err == nil) || err != nil && !errors.Is(gotErr, state.ErrCorrupt) {
					t.Fatalf("%s of %s: error %v, from memory %v", name, c.Name, gotErr, err)
				}
				if err == nil {
					if err := state.Same(want, got); err != nil {
						t.Errorf("%s of %s: %v", name, c.Name, err)
					}
				}
			}
		}
	}
}

// TestMappedCut cuts a file while it is mapped, wherever there is a page of the
// system's: each time that is an error, on whatever goroutine it shows.
func TestMappedCut(t *testing.T) {
	blob := engine(t).snapshot
	page := os.Getpagesize()
	cuts := 0
	for at := 0; at < len(blob)-page; at += max(page, len(blob)/64/page*page) {
		data, f := mapping(t, blob)
		if err := f.Truncate(int64(at)); err != nil {
			t.Fatal(err)
		}
		if _, err := state.ReadSnapshotMapped(data, nil); !errors.Is(err, state.ErrFault) {
			t.Errorf("cut at byte %d of %d: %v", at, len(blob), err)
		}
		cuts++
	}
	if cuts < 8 {
		t.Errorf("%d cuts are too few", cuts)
	}
}
