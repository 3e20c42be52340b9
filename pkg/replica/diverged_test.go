package replica_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// replaced is a store that can become another one.
type replaced struct{ now atomic.Pointer[blob.Store] }

func replaceable(store blob.Store) *replaced {
	s := &replaced{}
	s.set(store)
	return s
}

func (s *replaced) set(store blob.Store) { s.now.Store(&store) }

func (s *replaced) Put(ctx context.Context, key string, data []byte) error {
	return (*s.now.Load()).Put(ctx, key, data)
}

func (s *replaced) Get(ctx context.Context, key string) ([]byte, error) {
	return (*s.now.Load()).Get(ctx, key)
}

func (s *replaced) Stat(ctx context.Context, key string) (blob.Info, error) {
	return (*s.now.Load()).Stat(ctx, key)
}

func (s *replaced) List(ctx context.Context, prefix string) ([]blob.Info, error) {
	return (*s.now.Load()).List(ctx, prefix)
}

func (s *replaced) Delete(ctx context.Context, key string) error {
	return (*s.now.Load()).Delete(ctx, key)
}

// TestReplaced gives a replica stores with other logs; its readers always have
// a view, and it is never one of both stores.
func TestReplaced(t *testing.T) {
	a, b := newWorld(t, blob.NewMemory(), 1), newWorld(t, blob.NewMemory(), 1)
	a.grow(2)
	b.publish(records{"another": 1})
	b.grow(2)
	store := replaceable(a.store)
	r := open(store, nil)
	refresh(t, r, a.last())
	stop := make(chan struct{})
	var readers sync.WaitGroup
	readers.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if r.Current() == nil {
				t.Error("a reader found no view")
				return
			}
		}
	})
	for i := range 100 {
		w, from := b, a
		if i%2 == 1 {
			w, from = a, b
		}
		w.grow(1) // both get longer, so that the next position is always another's
		for len(w.versions) <= len(from.versions) {
			w.grow(1)
		}
		store.set(w.store)
		w.check(refresh(t, r, w.last()))
		if s := r.Status(); s.State != replica.StateReady || len(r.Live()) != 1 {
			t.Errorf("status %+v, live %s", s, r.Live())
		}
		if len(w.versions) > 12 {
			break
		}
	}
	close(stop)
	readers.Wait()
}

// TestDivergedStays keeps the old view while the new store cannot be loaded.
func TestDivergedStays(t *testing.T) {
	a, b := newWorld(t, blob.NewMemory(), 1), newWorld(t, blob.NewMemory(), 1)
	a.grow(2)
	b.grow(4)
	bad := &damaged{Store: b.store}
	bad.set(true, func(key string) bool { return strings.Contains(key, "/blobs/") })
	store := replaceable(a.store)
	r := open(store, nil)
	old := refresh(t, r, a.last())
	store.set(bad)
	for range 2 {
		if err := r.Refresh(t.Context()); err == nil {
			t.Error("no error")
		}
		if r.Current() != old || r.Status().State != replica.StateDiverged || r.Freshness().State != replica.StateDiverged {
			t.Errorf("status %+v", r.Status())
		}
	}
	bad.set(false, nil)
	b.check(refresh(t, r, b.last()))
	if s := r.Status(); s.State != replica.StateReady {
		t.Errorf("status %+v", s)
	}
}

// restored returns a copy of a store.
func restored(t testing.TB, from blob.Store) blob.Store {
	t.Helper()
	to := blob.NewMemory()
	infos, err := from.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		data, err := from.Get(t.Context(), info.Key)
		if err == nil {
			err = to.Put(t.Context(), info.Key, data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// TestRestoredBackwards is followed by other versions at the same positions.
func TestRestoredBackwards(t *testing.T) {
	w := newWorld(t, blob.NewMemory(), 1)
	w.grow(2)
	backup := restored(t, w.store)
	store := replaceable(w.store)
	r := open(store, nil)
	w.grow(2)
	refresh(t, r, w.last())
	store.set(backup)
	other := newWorld(t, backup, 1)
	other.publish(records{"other": 7})
	other.publish(records{"other": 8})
	other.publish(records{"other": 9})
	other.check(refresh(t, r, other.last()))
	for _, v := range r.Live() {
		if v != other.last() {
			t.Errorf("version %s of the old store is still live", v)
		}
	}
	if _, err := announce.Open(store, "n").Refresh(t.Context()); err != nil {
		t.Error(err)
	}
}
