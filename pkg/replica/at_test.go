package replica_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// gate is a store whose blobs of some versions are not there before it opens.
type gate struct {
	blob.Store
	shut func(key string) bool
	open chan struct{}
	gets atomic.Int64 // of what is behind the gate
}

func (g *gate) Get(ctx context.Context, key string) ([]byte, error) {
	if strings.Contains(key, "/blobs/") && g.shut(key) {
		g.gets.Add(1)
		select {
		case <-g.open:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return g.Store.Get(ctx, key)
}

// of says whether a key is one of a version's.
func of(v dataset.Version) func(string) bool {
	return func(key string) bool { return strings.Contains(key, v.String()) }
}

// TestAtHoldsNobodyUp asks for an old version that does not arrive: refreshes
// go on, callers can give up, and it is fetched once for all of them.
func TestAtHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, blob.NewMemory(), 1)
		w.grow(3)
		old := w.versions[0]
		g := &gate{Store: w.store, shut: of(w.versions[1]), // whose reverse delta leads to old
			open: make(chan struct{})}
		r := open(g, nil)
		refresh(t, r, w.last())
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				view, err := r.At(t.Context(), old)
				if err != nil {
					t.Error(err)
					return
				}
				w.check(view)
			})
		}
		synctest.Wait()
		for range 3 {
			w.grow(1)
			refresh(t, r, w.last())
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.At(ctx, old); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a caller without time: %v", err)
		}
		close(g.open)
		all.Wait()
		if n := g.gets.Load(); n != 1 {
			t.Errorf("%d fetches", n)
		}
	})
}

// TestAtIsGivenUp ends a load that nobody waits for any more, and the next one
// who asks starts another.
func TestAtIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, blob.NewMemory(), 1)
		w.grow(6)
		g := &gate{Store: w.store, shut: func(key string) bool { return !of(w.last())(key) }, open: make(chan struct{})}
		r := open(g, nil)
		refresh(t, r, w.last())
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		for _, v := range w.versions[:4] {
			for range 3 {
				all.Go(func() {
					if _, err := r.At(ctx, v); !errors.Is(err, context.Canceled) {
						t.Errorf("version %s: %v", v, err)
					}
				})
			}
		}
		synctest.Wait()
		if n := g.gets.Load(); n != 2 {
			t.Errorf("%d loads at a time, want 2", n)
		}
		cancel()
		all.Wait()
		close(g.open)
		view, err := r.At(t.Context(), w.versions[0])
		if err != nil {
			t.Fatal(err)
		}
		w.check(view)
	})
}

// TestBackoff tries a version whose blobs cannot be read less and less often,
// and another one at once.
func TestBackoff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, blob.NewMemory(), 1)
		w.grow(1)
		var bad atomic.Pointer[string]
		var tries atomic.Int64
		store := blobtest.NewFaulty(w.store, func(op blobtest.Op) blobtest.Fault {
			if v := bad.Load(); v != nil && strings.Contains(op.Key, "/blobs/") && strings.Contains(op.Key, *v) {
				tries.Add(1)
				return blobtest.Fail
			}
			return blobtest.None
		})
		r := open(store, func(c *replica.Config) { c.Poll = time.Second })
		defer running(t, r)()
		synctest.Wait()
		w.grow(1)
		text := w.last().String()
		bad.Store(&text)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		if n := tries.Load(); n < 30 || n > 150 {
			t.Errorf("%d tries in 10 minutes", n)
		}
		if s := r.Status(); s.State != replica.StateStale || s.Error == "" || s.Age < 9*time.Minute {
			t.Errorf("status %+v", s)
		}
		bad.Store(nil)
		time.Sleep(17 * time.Second)
		synctest.Wait()
		w.check(r.Current())
		if s := r.Status(); s.State != replica.StateReady || s.Version != w.last() {
			t.Errorf("recovered: %+v", s)
		}
		w.grow(1)
		text = w.last().String()
		bad.Store(&text)
		time.Sleep(time.Minute)
		w.grow(1) // its own snapshot is a way round
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s := r.Status(); s.State != replica.StateReady || s.Version != w.last() {
			t.Errorf("the next version: %+v", s)
		}
	})
}

// TestDetour goes round a damaged delta, and says so, or not, as it is told.
func TestDetour(t *testing.T) {
	for _, strict := range []bool{false, true} {
		w := newWorld(t, blob.NewMemory(), 1)
		w.grow(1)
		bad := &damaged{Store: w.store}
		r := open(bad, func(c *replica.Config) { c.NoFallback = strict })
		old := refresh(t, r, w.last())
		w.grow(1)
		bad.set(true, deltaOf(t, w))
		err := r.Refresh(t.Context())
		s := r.Status()
		if strict {
			if err == nil || r.Current() != old || s.State != replica.StateStale || s.Detours != 0 {
				t.Errorf("strict: %v, status %+v", err, s)
			}
			bad.set(false, nil)
			w.check(refresh(t, r, w.last()))
			continue
		}
		if err != nil || s.Version != w.last() || s.Detours != 1 || !strings.Contains(s.Detour, "delta of "+w.last().String()) {
			t.Errorf("%v, status %+v", err, s)
		}
		w.check(r.Current())
	}
}

// deltaOf matches the key of the newest version's delta.
func deltaOf(t *testing.T, w *world) func(string) bool {
	t.Helper()
	r := open(w.store, nil)
	m := refresh(t, r, w.last()).Manifest
	if m.Delta == nil {
		t.Fatal("no delta")
	}
	key := blob.BlobKey("n", m.Version, m.Delta.Digest)
	return func(k string) bool { return k == key }
}

// TestDivergedWhileLoading says that the store is another one from the moment
// on that it is known, not after what it has is loaded.
func TestDivergedWhileLoading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newWorld(t, blob.NewMemory(), 1), newWorld(t, blob.NewMemory(), 1)
		a.grow(2)
		b.grow(4)
		g := &gate{Store: b.store, shut: of(b.last()), open: make(chan struct{})}
		store := replaceable(a.store)
		r := open(store, nil)
		old := refresh(t, r, a.last())
		store.set(g)
		ended := make(chan error)
		go func() { ended <- r.Refresh(t.Context()) }()
		synctest.Wait()
		if s := r.Freshness(); s.State != replica.StateDiverged || r.Current() != old {
			t.Errorf("while it loads: %+v", s)
		}
		close(g.open)
		if err := <-ended; err != nil {
			t.Error(err)
		}
		b.check(r.Current())
		if s := r.Freshness(); s.State != replica.StateReady {
			t.Errorf("when it is loaded: %+v", s)
		}
	})
}
