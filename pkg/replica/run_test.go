package replica_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// running starts r; the returned function stops it.
func running(t testing.TB, r *replica.Replica) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- r.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("run ended with %v", err)
		}
	}
}

func TestRunPolls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, blob.NewMemory(), 1)
		r := open(w.store, func(c *replica.Config) { c.Poll = 10 * time.Second })
		defer running(t, r)()
		synctest.Wait()
		if s := r.Status(); s.State != replica.StateLoading || s.Age >= 0 {
			t.Errorf("nothing announced: status %+v", s)
		}
		for range 5 {
			w.grow(1)
			moved := r.Changed()
			time.Sleep(10 * time.Second)
			synctest.Wait()
			select {
			case <-moved:
			default:
				t.Error("nobody was told that the view moved")
			}
			w.check(r.Current())
			if r.Current().Version() != w.last() {
				t.Errorf("at %s after a poll, want %s", r.Current().Version(), w.last())
			}
		}
		looked := r.Looked()
		<-looked
		time.Sleep(7 * time.Second) // a poll comes after 7.5 s at the earliest
		if age := r.Status().Age; age != 7*time.Second {
			t.Errorf("age is %s, the last look was 7 s ago", age)
		}
	})
}

func TestRunFollowsHints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int64
		w := newWorld(t, blob.NewMemory(), 1)
		w.grow(1)
		var confirmed []announce.Hint
		store := blobtest.NewFaulty(w.store, func(op blobtest.Op) blobtest.Fault {
			if op.Key == blob.LogKey("n", 2) { // else it looks at its own head again
				looks.Add(1)
			}
			return blobtest.None
		})
		r := open(store, func(c *replica.Config) {
			c.Poll = time.Hour
			c.Confirmed = func(h announce.Hint) { confirmed = append(confirmed, h) }
		})
		defer running(t, r)()
		synctest.Wait()
		w.grow(1)
		hint := announce.Hint{Dataset: "n", Position: 1, Version: w.last()}
		r.Hint(hint)
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		w.check(r.Current())
		if r.Current().Version() != w.last() {
			t.Errorf("at %s after a hint, want %s", r.Current().Version(), w.last())
		}
		if len(confirmed) != 2 || confirmed[1] != hint {
			t.Errorf("confirmed %+v", confirmed)
		}
		looks.Store(0)
		for range 100 { // old news, and another dataset's
			r.Hint(hint)
			r.Hint(announce.Hint{Dataset: "n", Position: -1})
			r.Hint(announce.Hint{Dataset: "m", Position: 1000})
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := looks.Load(); n != 0 {
			t.Errorf("old hints made %d looks", n)
		}
		for range 100 { // forged: what they say is never believed
			r.Hint(announce.Hint{Dataset: "n", Position: 1 << 40, Version: dataset.Version(1 << 60)})
			time.Sleep(10 * time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if n := looks.Load(); n > 12 {
			t.Errorf("100 forged hints in a second made %d looks", n)
		}
		if s := r.Status(); s.Version != w.last() || s.Announced != w.last() || s.State != replica.StateReady {
			t.Errorf("after forged hints: status %+v", s)
		}
		for _, h := range confirmed {
			if h.Position > 1 {
				t.Errorf("confirmed a forged hint: %+v", h)
			}
		}
	})
}

// TestRunNoticesRestore finds a log that ends before the own head, or nowhere
// near it, at the next poll.
func TestRunNoticesRestore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, blob.NewMemory(), 1)
		w.grow(2)
		store := replaceable(w.store)
		r := open(store, func(c *replica.Config) { c.Poll = time.Second })
		defer running(t, r)()
		synctest.Wait()
		backup := restored(t, w.store)
		old := w.last()
		w.grow(2)
		time.Sleep(time.Second)
		synctest.Wait()
		refresh(t, r, w.last())
		store.set(backup)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := r.Current().Version(); got != old {
			t.Errorf("at %s, the restored store has %s", got, old)
		}
		w.check(r.Current())
		if s := r.Status(); s.State != replica.StateReady || s.Announced != old || len(s.Live) != 1 {
			t.Errorf("status %+v", s)
		}
		store.set(blob.NewMemory()) // gone altogether
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s := r.Status(); s.State != replica.StateDiverged || s.Version != old || s.Age < time.Second {
			t.Errorf("an empty store: status %+v", s)
		}
		store.set(backup)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if s := r.Status(); s.State != replica.StateReady || s.Version != old {
			t.Errorf("back again: status %+v", s)
		}
	})
}

// TestRunNoticesGap finds that the entry behind the own head was lost.
func TestRunNoticesGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, blob.NewMemory(), 1)
		w.grow(2)
		backup := restored(t, w.store)
		w.grow(2)
		gapped := restored(t, w.store)
		if err := gapped.Delete(t.Context(), blob.LogKey("n", 2)); err != nil {
			t.Fatal(err)
		}
		store := replaceable(backup)
		r := open(store, nil)
		defer running(t, r)()
		synctest.Wait()
		store.set(gapped)
		time.Sleep(62 * time.Second)
		synctest.Wait()
		if s := r.Status(); s.State != replica.StateStale || !strings.Contains(s.Error, "position 2 is gone") {
			t.Errorf("status %+v", s)
		}
	})
}

// TestRunRecovers loses the store for a while: age grows, the view stays.
func TestRunRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, blob.NewMemory(), 1)
		w.grow(1)
		var fails atomic.Bool
		store := blobtest.NewFaulty(w.store, func(blobtest.Op) blobtest.Fault {
			if fails.Load() {
				return blobtest.Fail
			}
			return blobtest.None
		})
		r := open(store, nil)
		defer running(t, r)()
		time.Sleep(500 * time.Millisecond)
		synctest.Wait()
		old := w.last()
		fails.Store(true)
		w.grow(3)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if s := r.Status(); s.State != replica.StateStale || s.Version != old || s.Age < time.Minute || r.Freshness().Age != s.Age {
			t.Errorf("the store is lost: status %+v, freshness %+v", s, r.Freshness())
		}
		fails.Store(false)
		time.Sleep(time.Second)
		synctest.Wait()
		if s := r.Status(); s.State != replica.StateReady || s.Version != w.last() || s.Age >= time.Second {
			t.Errorf("the store is back: status %+v", s)
		}
	})
}
