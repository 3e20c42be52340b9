package replica_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
)

// TestPruneFull prunes a file system that has no byte left. It needs the right
// to mount one.
func TestPruneFull(t *testing.T) {
	root := t.TempDir()
	if err := syscall.Mount("tmpfs", root, "tmpfs", 0, "size=2m"); err != nil {
		t.Skip("cannot mount a small file system:", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(root, syscall.MNT_DETACH) })
	dir, err := blob.CreateDir(root)
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, dir, 1)
	w.grow(6)
	fill := make([]byte, 4096)
	f, err := os.Create(filepath.Join(root, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(fill)
	}
	if err := f.Close(); err != nil || !blob.IsFull(errors.Join(err, syscall.ENOSPC)) {
		t.Fatal(err)
	}
	if _, err := announce.Open(dir, "n").Pin(t.Context(), announce.Author{Name: "test"}, w.last()); !blob.IsFull(err) {
		t.Fatalf("the file system is not full: Pin = %v", err)
	}
	w.kept(prune(t, dir, 1))
	w.grow(1)
	w.check(refresh(t, open(dir, nil), w.last()))
	if _, err := os.Stat(filepath.Join(root, ".holdfast-reserve")); err != nil {
		t.Errorf("the reserve was not kept again: %v", err)
	}
}
