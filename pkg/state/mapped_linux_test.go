package state_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"unsafe"

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

// resident returns how many bytes of a mapping count as memory of the process.
func resident(t *testing.T, data []byte) (n int) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(maps), fmt.Sprintf("%x-", uintptr(unsafe.Pointer(&data[0]))))
	if !ok {
		t.Fatal("the mapping is not listed")
	}
	_, rest, _ = strings.Cut(rest, "\nRss:")
	if _, err := fmt.Sscan(rest, &n); err != nil {
		t.Fatal(err)
	}
	return n << 10
}

// TestMappedGivesBack holds that what was decoded of a mapped file no longer counts as
// memory of the process, be it a type that is given back at its end or behind the decoder.
func TestMappedGivesBack(t *testing.T) {
	blob := engine(t).snapshot
	data, _ := mapping(t, blob)
	for _, x := range data {
		runtime.KeepAlive(x)
	}
	if n := resident(t, data); n < len(blob)/2 {
		t.Fatalf("%d of %d bytes are resident before", n, len(blob))
	}
	if _, err := state.ReadSnapshotMapped(data, nil); err != nil {
		t.Fatal(err)
	}
	if n := resident(t, data); n > len(blob)/4 {
		t.Errorf("%d of %d bytes are resident afterwards", n, len(blob))
	}
}
