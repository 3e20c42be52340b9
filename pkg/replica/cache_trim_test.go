package replica_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
	"github.com/holdfast-data/holdfast/pkg/dataset"
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

// TestCacheTrimmedOfMany opens a cache of two datasets with less room than it had: what
// was used last goes last, and what does not fit takes nothing else away.
func TestCacheTrimmedOfMany(t *testing.T) {
	for _, c := range []struct {
		name        string
		large, last dataset.Name
		want        []dataset.Name
	}{
		{"the one used last stays", "", "a", []dataset.Name{"a"}},
		{"the one used last stays, if it comes last", "", "b", []dataset.Name{"b"}},
		{"what fits stays", "b", "b", []dataset.Name{"a"}},
	} {
		store, dir := newNetwork(blob.NewMemory()), t.TempDir()
		follow := func(n dataset.Name, max int64) *replica.View {
			t.Helper()
			cache, err := replica.OpenCache(dir, max)
			if err != nil {
				t.Fatal(err)
			}
			r := open(store, func(cfg *replica.Config) { cfg.Dataset, cfg.Cache = n, cache })
			if err := r.Refresh(t.Context()); err != nil && !errors.Is(err, blobtest.ErrInjected) {
				t.Fatal(err)
			}
			return r.Current()
		}
		for _, n := range []dataset.Name{"a", "b"} {
			w := newWorld(t, store, 1)
			w.name = n
			content := records{}
			for i := range 1000 {
				if content[fmt.Sprint(n, i)] = i; n == c.large {
					content[fmt.Sprint(n, i, strings.Repeat("x", 100))] = i
				}
			}
			w.publish(content)
			follow(n, 1<<30)
		}
		follow(c.last, 1<<30) // uses it again
		store.cut.Store(true)
		less := folderSize(t, filepath.Join(dir, string(c.large))) - 1000
		var got []dataset.Name
		for _, n := range []dataset.Name{"a", "b"} {
			if follow(n, less) != nil {
				got = append(got, n)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v start without a store, want %v", c.name, got, c.want)
		}
	}
}

// TestCacheFolderUnreadable: what cannot be read of a cache stops nobody.
func TestCacheFolderUnreadable(t *testing.T) {
	store := newNetwork(blob.NewMemory())
	w := newWorld(t, store, 4)
	w.grow(3)
	dir, err := os.MkdirTemp("", "cache") // t.TempDir is in a folder of root's, if root runs this
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	asNobody(t, dir)
	refresh(t, cached(t, store, dir, 1<<20), w.last())
	for _, folder := range []string{"n/blobs", "n"} {
		folder = filepath.Join(dir, folder)
		if err := os.Chmod(folder, 0); err != nil {
			t.Fatal(err)
		}
		refresh(t, cached(t, store, dir, 1<<20), w.last())
		if err := os.Chmod(folder, 0o700); err != nil { //nolint:gosec // as it was
			t.Fatal(err)
		}
	}
}

// asNobody makes the owner of a folder somebody whom permissions bind, and lets the
// process be him until the test ends.
func asNobody(t *testing.T, folder string) {
	const nobody = 65534
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chown(folder, nobody, -1); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Seteuid(nobody); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Seteuid(0); err != nil {
			t.Error(err)
		}
	})
}
