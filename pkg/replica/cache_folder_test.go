package replica_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// write makes files with a little content in a folder.
func write(t *testing.T, folder string, names ...string) {
	t.Helper()
	for _, name := range names {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("content"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// tree returns the paths of all files below a folder.
func tree(t *testing.T, folder string) string {
	t.Helper()
	var out []string
	err := filepath.WalkDir(folder, func(path string, _ os.DirEntry, err error) error {
		out = append(out, path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, "\n")
}

// TestCacheFolderOfOthers leaves folders alone that are not caches.
func TestCacheFolderOfOthers(t *testing.T) {
	root := t.TempDir()
	dir, err := blob.CreateDir(filepath.Join(root, "store"))
	if err != nil {
		t.Fatal(err)
	}
	newWorld(t, dir, 4).grow(1)
	write(t, filepath.Join(root, "copy"), "n/log/00000000000000000000.json", "n/blobs/x")
	write(t, filepath.Join(root, "mine"), ".temp/precious")
	write(t, filepath.Join(root, "photos"), "holiday.jpg")
	write(t, filepath.Join(root, "half"), "n/blobs/x", "n/versions/y")
	if err := os.Symlink(filepath.Join(root, "store"), filepath.Join(root, "link")); err != nil {
		t.Fatal(err)
	}
	before := tree(t, root)
	for _, name := range []string{"store", "store/n", "store/n/blobs", "store/new", "store/new/deep", "link", "link/n", "link/new", "copy", "copy/new", ".", "mine", "photos", "half"} {
		if _, err := replica.OpenCache(filepath.Join(root, name), 1000); !errors.Is(err, replica.ErrNotCache) {
			t.Errorf("OpenCache(%s) = %v, want ErrNotCache", name, err)
		}
	}
	if after := tree(t, root); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
}

// TestCacheFolderAgain opens what an earlier process has made, with or without
// the mark of a cache.
func TestCacheFolderAgain(t *testing.T) {
	store := blob.NewMemory()
	w := newWorld(t, store, 4)
	w.grow(1)
	dir := filepath.Join(t.TempDir(), "a", "cache")
	r := cached(t, store, dir, 1<<20)
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, old := range []bool{false, true} {
		write(t, dir, ".temp/0123456789abcdef") // a writer died
		if old {
			if err := os.Remove(filepath.Join(dir, ".holdfast-cache")); err != nil {
				t.Fatal(err)
			}
		}
		c, err := replica.OpenCache(dir, 1<<20)
		if err != nil {
			t.Fatalf("unmarked %v: %v", old, err)
		}
		if names, err := c.Datasets(""); err != nil || len(names) != 1 {
			t.Errorf("Datasets = %v, %v", names, err)
		}
		if left, _ := os.ReadDir(filepath.Join(dir, ".temp")); len(left) > 0 {
			t.Errorf("left %v", left)
		}
	}
	if _, err := blob.CreateDir(dir); err != nil { // somebody publishes into it
		t.Fatal(err)
	}
	if _, err := replica.OpenCache(dir, 1<<20); !errors.Is(err, replica.ErrNotCache) {
		t.Errorf("OpenCache of what has become a store = %v", err)
	}
}
