package replica_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// network is a store that can be cut off.
type network struct {
	blob.Store
	cut  atomic.Bool
	lose atomic.Bool  // blobs only
	gets atomic.Int64 // of blobs
}

func newNetwork(store blob.Store) *network {
	n := &network{}
	n.Store = blobtest.NewFaulty(store, func(op blobtest.Op) blobtest.Fault {
		if op.Verb == blobtest.Get && strings.Contains(op.Key, "/blobs/") {
			n.gets.Add(1)
		}
		if n.cut.Load() || n.lose.Load() && strings.Contains(op.Key, "/blobs/") {
			return blobtest.Fail
		}
		return blobtest.None
	})
	return n
}

// cached returns a replica with the cache in a folder.
func cached(t testing.TB, store blob.Store, dir string, max int64) *replica.Replica {
	t.Helper()
	c, err := replica.OpenCache(dir, max)
	if err != nil {
		t.Fatal(err)
	}
	return open(store, func(cfg *replica.Config) { cfg.Cache = c })
}

// cold starts a replica without a store and checks that it is at want, or that
// it has nothing if want is None.
func (w *world) cold(store *network, dir string, want dataset.Version) *replica.Replica {
	w.t.Helper()
	store.cut.Store(true)
	r := cached(w.t, store, dir, 1<<20)
	if err := r.Refresh(w.t.Context()); !errors.Is(err, blobtest.ErrInjected) {
		w.t.Errorf("Refresh without a store = %v", err)
	}
	store.cut.Store(false)
	view, s := r.Current(), r.Status()
	if want == dataset.None {
		if view != nil {
			w.t.Errorf("at version %s, want none", view.Version())
		}
		return r
	}
	if view == nil || view.Version() != want {
		w.t.Fatalf("at %+v, want version %s", s, want)
	}
	w.check(view)
	if s.State != replica.StateStale || s.Age >= 0 || s.Error == "" {
		w.t.Errorf("status %+v, want stale, of unknown age", s)
	}
	return r
}

func TestColdStart(t *testing.T) {
	store := newNetwork(blob.NewMemory())
	w := newWorld(t, store, 4)
	dir := t.TempDir()
	w.cold(store, dir, dataset.None)
	r := cached(t, store, dir, 1<<20)
	for range 10 { // snapshots and deltas
		w.grow(1)
		refresh(t, r, w.last())
		w.cold(store, dir, w.last())
	}
	w.fields = wider
	w.grow(2)
	refresh(t, r, w.last())
	again := w.cold(store, dir, w.last())
	if s := again.Status(); s.Announced != w.last() {
		t.Errorf("status %+v", s)
	}
	w.grow(1)
	w.check(refresh(t, again, w.last()))
	if s := again.Status(); s.State != replica.StateReady || s.Age < 0 {
		t.Errorf("with its store again: %+v", s)
	}
	pin(t.Context(), t, store, w.versions[3])
	refresh(t, r, w.versions[3])
	w.cold(store, dir, w.versions[3])
}

// TestCacheSavesReads: what is in the cache is not fetched.
func TestCacheSavesReads(t *testing.T) {
	store := newNetwork(blob.NewMemory())
	w := newWorld(t, store, 100)
	w.grow(5)
	dir := t.TempDir()
	refresh(t, cached(t, store, dir, 1<<20), w.last())
	before := store.gets.Load()
	if before == 0 {
		t.Error("no blob was fetched")
	}
	refresh(t, cached(t, store, dir, 1<<20), w.last())
	if after := store.gets.Load(); after != before {
		t.Errorf("%d blobs were fetched again", after-before)
	}
}

// TestColdStartDamaged damages each file of the cache: what is loaded from it
// is right, or nothing is.
func TestColdStartDamaged(t *testing.T) {
	store := newNetwork(blob.NewMemory())
	w := newWorld(t, store, 3)
	dir := t.TempDir()
	r := cached(t, store, dir, 1<<20)
	for range 4 {
		w.grow(1)
		refresh(t, r, w.last())
	}
	damaged := 0
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == ".holdfast-cache" {
			return err
		}
		good, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for damage, do := range damages {
			if err := do(path); err != nil {
				return err
			}
			store.cut.Store(true)
			r := cached(t, store, dir, 1<<20)
			_ = r.Refresh(t.Context()) // fails anyway
			store.cut.Store(false)
			if view := r.Current(); view != nil {
				w.check(view)
			} else {
				damaged++
			}
			if err := r.Refresh(t.Context()); err != nil {
				t.Errorf("%s %s: with its store again: %v", path, damage, err)
			}
			w.check(r.Current())
			os.Remove(path)
			if err := os.WriteFile(path, good, 0o600); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || damaged < 3*len(damages) {
		t.Errorf("%d damages left nothing, error %v", damaged, err)
	}
}

// TestCacheIsBounded keeps the newest versions within the size, and goes on
// without a cache that is too small.
func TestCacheIsBounded(t *testing.T) {
	for _, max := range []int64{0, 3000, 40_000, 100_000} {
		store := newNetwork(blob.NewMemory())
		w := newWorld(t, store, 5)
		dir := t.TempDir()
		r := cached(t, store, dir, max)
		for i := range 30 {
			w.grow(1)
			w.check(refresh(t, r, w.last()))
			if i%3 == 0 {
				if _, err := r.At(t.Context(), w.versions[i/2]); err != nil {
					t.Error(err)
				}
			}
			if size := folderSize(t, dir); size > max {
				t.Fatalf("%d bytes in a cache of %d", size, max)
			}
		}
		if max >= 40_000 {
			w.cold(store, dir, w.last())
		}
	}
}

// folderSize returns the bytes of all files with digests.
func folderSize(t testing.TB, dir string) (size int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == "fold.json" {
			return err
		}
		info, err := e.Info()
		size += info.Size()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}

// TestColdStartOfAnotherStore: what the store's log never said is dropped.
func TestColdStartOfAnotherStore(t *testing.T) {
	old, dir := newNetwork(blob.NewMemory()), t.TempDir()
	w := newWorld(t, old, 2)
	w.grow(4)
	refresh(t, cached(t, old, dir, 1<<20), w.last())
	other := newNetwork(blob.NewMemory())
	w2 := newWorld(t, other, 2)
	w2.grow(1)
	w2.publish(records{"other": 1})
	other.cut.Store(true)
	r := cached(t, other, dir, 1<<20)
	if err := r.Refresh(t.Context()); err == nil || r.Current() == nil {
		t.Fatalf("a cold start: error %v, at %v", err, r.Current())
	}
	w.check(r.Current())
	other.cut.Store(false)
	w2.check(refresh(t, r, w2.last()))
	if got := r.Live(); len(got) != 1 {
		t.Errorf("versions %v are in memory, want those of this store only", got)
	}
}
