package replica_test

import (
	"errors"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// unmounted returns a replica that was started from its cache on a store without
// anything in it, and checks that it claims nothing. The cache has version want.
func (w *world) unmounted(t *testing.T, store *replaced, dir string) *replica.Replica {
	t.Helper()
	store.set(blob.NewMemory())
	r, said := watched(t, store, dir, 1<<20)
	for range 3 {
		if err := r.Refresh(t.Context()); err == nil || errors.Is(err, replica.ErrEmpty) {
			t.Errorf("Refresh of an empty store = %v", err)
		}
		s := r.Status()
		if s.Version != w.last() || s.State != replica.StateStale || s.Age >= 0 || s.Error == "" || s.Announced != w.last() {
			t.Fatalf("status %+v, want version %s, stale, of unknown age", s, w.last())
		}
		w.check(r.Current())
	}
	if n := said.count.Load(); n != 1 {
		t.Errorf("%d warnings, want 1", n)
	}
	return r
}

// TestColdStartOfEmptyStore starts with a cache and a store that has no log, as a
// mount point is that nothing was mounted at.
func TestColdStartOfEmptyStore(t *testing.T) {
	w := newWorld(t, blob.NewMemory(), 3)
	w.grow(5)
	dir, store := t.TempDir(), replaceable(w.store)
	refresh(t, cached(t, store, dir, 1<<20), w.last())

	t.Run("mounted", func(t *testing.T) {
		r := w.unmounted(t, store, dir)
		store.set(w.store)
		w.check(refresh(t, r, w.last()))
		if s := r.Status(); s.State != replica.StateReady || s.Age < 0 || len(r.Live()) != 1 {
			t.Errorf("status %+v", s)
		}
	})
	t.Run("mounted later", func(t *testing.T) {
		r := w.unmounted(t, store, dir)
		store.set(w.store)
		w.grow(1)
		w.check(refresh(t, r, w.last()))
	})
	t.Run("made anew", func(t *testing.T) {
		other := newWorld(t, blob.NewMemory(), 3)
		for range 10 { // shorter than the old log, and longer
			r := w.unmounted(t, store, dir)
			other.publish(records{"other": len(other.versions)})
			store.set(restored(t, other.store))
			other.check(refresh(t, r, other.last()))
			if s := r.Status(); s.State != replica.StateReady || len(r.Live()) != 1 {
				t.Errorf("status %+v", s)
			}
			refresh(t, cached(t, w.store, dir, 1<<20), w.last())
		}
	})
	t.Run("an older copy", func(t *testing.T) {
		backup := restored(t, w.store)
		older := w.last()
		w.grow(2)
		refresh(t, cached(t, w.store, dir, 1<<20), w.last())
		r := w.unmounted(t, store, dir)
		store.set(backup)
		w.check(refresh(t, r, older))
		refresh(t, cached(t, w.store, dir, 1<<20), w.last())
	})
	t.Run("gone again", func(t *testing.T) {
		r := w.unmounted(t, store, dir)
		cut := newNetwork(w.store)
		cut.cut.Store(true)
		store.set(cut)
		if err := r.Refresh(t.Context()); err == nil || r.Status().State != replica.StateStale {
			t.Errorf("out of reach: %v, status %+v", err, r.Status())
		}
		store.set(blob.NewMemory())
		if err := r.Refresh(t.Context()); err == nil || r.Status().State != replica.StateStale {
			t.Errorf("empty again: %v, status %+v", err, r.Status())
		}
	})
}

// TestOutOfReachThenEmpty starts without its store, which is an empty one for a
// while before it is there: nothing of it contradicts the cache.
func TestOutOfReachThenEmpty(t *testing.T) {
	w := newWorld(t, blob.NewMemory(), 3)
	w.grow(2)
	dir := t.TempDir()
	refresh(t, cached(t, w.store, dir, 1<<20), w.last())
	cut := newNetwork(w.store)
	cut.cut.Store(true)
	store := replaceable(cut)
	r := cached(t, store, dir, 1<<20)
	for _, now := range []blob.Store{cut, blob.NewMemory(), cut, blob.NewMemory()} {
		store.set(now)
		if err := r.Refresh(t.Context()); err == nil || r.Status().State != replica.StateStale {
			t.Errorf("without a store: %v, status %+v", err, r.Status())
		}
	}
	store.set(w.store)
	w.check(refresh(t, r, w.last()))
}

// TestNewDatasetWithCache: a log that is there and announces nothing is believed,
// and of what the cache does not know, an empty one.
func TestNewDatasetWithCache(t *testing.T) {
	w := newWorld(t, blob.NewMemory(), 3)
	w.grow(2)
	dir := t.TempDir()
	claimed := blob.NewMemory()
	if _, err := announce.Open(claimed, "n").Claim(t.Context(), announce.Author{Name: "test"}, "test", false); err != nil {
		t.Fatal(err)
	}
	for _, full := range []bool{false, true} {
		store := blob.Store(claimed)
		if !full {
			store = blob.NewMemory()
		} else {
			refresh(t, cached(t, w.store, dir, 1<<20), w.last())
		}
		r, said := watched(t, store, dir, 1<<20)
		for range 2 {
			if err := r.Refresh(t.Context()); !errors.Is(err, replica.ErrEmpty) || r.Current() != nil {
				t.Errorf("a cache that has it %v: Refresh = %v, at %v", full, err, r.Current())
			}
		}
		if n := said.count.Load(); n > 0 {
			t.Errorf("%d warnings", n)
		}
	}
}
