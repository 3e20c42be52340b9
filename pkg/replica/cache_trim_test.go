package replica_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// TestCacheTrimmed opens a cache with less room than it had: of all that no start
// needs something goes first, even if that was used last.
func TestCacheTrimmed(t *testing.T) {
	store := newNetwork(blob.NewMemory())
	w := newWorld(t, store, 4)
	w.grow(2)
	dir := t.TempDir()
	r := cached(t, store, dir, 1<<20)
	for range 9 { // snapshots and deltas
		w.grow(1)
		refresh(t, r, w.last())
	}
	long := time.Now().Add(-time.Hour)
	touch(t, dir, func(time.Time) time.Time { return long })
	w.cold(store, dir, w.last())
	touch(t, dir, func(used time.Time) time.Time {
		if used.Equal(long) {
			return long
		}
		return long.Add(-time.Hour)
	})
	size := folderSize(t, dir)
	if _, err := replica.OpenCache(dir, size*3/4); err != nil {
		t.Fatal(err)
	}
	if got := folderSize(t, dir); got > size*3/4 {
		t.Errorf("%d bytes are left of %d", got, size)
	}
	w.cold(store, dir, w.last())
}

// touch gives each file the time that age makes of the one it has.
func touch(t *testing.T, dir string, age func(time.Time) time.Time) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		then := age(info.ModTime())
		return os.Chtimes(path, then, then)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCacheWithoutDescriptors reads a file of the cache while the process can open
// none: it is read from the store, and the cache's stays.
func TestCacheWithoutDescriptors(t *testing.T) {
	store := newNetwork(blob.NewMemory())
	w := newWorld(t, store, 4)
	w.grow(6)
	dir := t.TempDir()
	refresh(t, cached(t, store, dir, 1<<20), w.last())
	before := tree(t, dir)
	r := cached(t, store, dir, 1<<20)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	none := syscall.Rlimit{Cur: 0, Max: limit.Max}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none); err != nil {
		t.Fatal(err)
	}
	gets := store.gets.Load()
	err := r.Refresh(t.Context())
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if err != nil {
		t.Errorf("Refresh = %v, and the store is there", err)
	}
	w.check(r.Current())
	if store.gets.Load() == gets {
		t.Error("the cache was read, and is not to be")
	}
	if after := tree(t, dir); after != before {
		t.Errorf("the cache was\n%s\nand is\n%s", before, after)
	}
	w.cold(store, dir, w.last())
}
