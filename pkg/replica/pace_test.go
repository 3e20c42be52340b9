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

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// watchedStore tells of what is read from a store.
type watchedStore struct {
	blob.Store
	get func(key string) (done func())
}

func (s watchedStore) Get(ctx context.Context, key string) ([]byte, error) {
	defer s.get(key)()
	return s.Store.Get(ctx, key)
}

// looks notes when a replica looks for the entry after its head.
type looks struct {
	store blob.Store
	mu    sync.Mutex
	at    []time.Time
}

func (l *looks) watch() blob.Store {
	return watchedStore{l.store, func(key string) func() {
		if key == blob.LogKey("n", 1) {
			l.mu.Lock()
			l.at = append(l.at, time.Now())
			l.mu.Unlock()
		}
		return func() {}
	}}
}

// TestPollsAreSpread starts replicas at the same moment: they look at once, and
// then each at its own time, but never later than a poll after the look before.
func TestPollsAreSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, blob.NewMemory(), 1)
		w.grow(1)
		var all []*looks
		start := time.Now()
		for range 40 {
			l := &looks{store: w.store}
			all = append(all, l)
			defer running(t, open(l.watch(), func(c *replica.Config) { c.Poll = time.Second }))()
		}
		time.Sleep(20 * time.Second)
		synctest.Wait()
		firsts, lasts := map[time.Duration]int{}, map[time.Duration]int{}
		for i, l := range all {
			l.mu.Lock()
			if len(l.at) < 20 || l.at[0] != start {
				t.Errorf("replica %d: %d looks, the first one after %s", i, len(l.at), l.at[0].Sub(start))
			}
			for k := range l.at[1:] {
				if pause := l.at[k+1].Sub(l.at[k]); pause > time.Second || pause < time.Second/2 {
					t.Errorf("replica %d: %s between two looks", i, pause)
				}
			}
			firsts[l.at[1].Sub(start).Truncate(50*time.Millisecond)]++
			lasts[l.at[19].Sub(start).Truncate(50*time.Millisecond)]++
			l.mu.Unlock()
		}
		for what, counts := range map[string]map[time.Duration]int{"first": firsts, "last": lasts} {
			for at, n := range counts { // of 40 in 10 places or more
				if n > 20 {
					t.Errorf("%d of 40 have their %s poll after %s", n, what, at)
				}
			}
		}
	})
}

// TestHintPauseGrowsWithTheFleet hints replicas that know of few members and of
// many: the more there are, the longer they spread, within bounds.
func TestHintPauseGrowsWithTheFleet(t *testing.T) {
	for _, c := range []struct {
		members     int
		poll        time.Duration
		least, most time.Duration // of the longest of the pauses
	}{
		{1, time.Hour, 50 * time.Millisecond, 100 * time.Millisecond},
		{10, time.Hour, 50 * time.Millisecond, 100 * time.Millisecond},
		{100, time.Hour, 500 * time.Millisecond, time.Second},
		{100, 800 * time.Millisecond, 200 * time.Millisecond, 400 * time.Millisecond},
		{100_000, time.Hour, time.Second, 2 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, blob.NewMemory(), 1)
			w.grow(1)
			var all []*looks
			for range 40 {
				l := &looks{store: w.store}
				all = append(all, l)
				r := open(l.watch(), func(cfg *replica.Config) {
					cfg.Poll, cfg.Jitter = c.poll, 100*time.Millisecond
					cfg.Members = func() int { return c.members }
				})
				defer running(t, r)()
				synctest.Wait()
				time.Sleep(100 * time.Millisecond) // so that the pace of hints asks for no pause
				r.Hint(announce.Hint{Dataset: "n", Position: 7, Version: w.last() + 1})
				hinted := time.Now()
				time.Sleep(min(3*time.Second, c.poll))
				synctest.Wait()
				l.mu.Lock()
				l.at = []time.Time{hinted, l.at[1]}
				l.mu.Unlock()
			}
			longest := time.Duration(0)
			for _, l := range all {
				longest = max(longest, l.at[1].Sub(l.at[0]))
			}
			if longest < c.least || longest > c.most {
				t.Errorf("%d members, poll %s: the longest of 40 pauses is %s, want %s to %s", c.members, c.poll, longest, c.least, c.most)
			}
		})
	}
}

// TestStartIsSpread starts replicas at the same moment that spread their starts.
func TestStartIsSpread(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, blob.NewMemory(), 1)
		w.grow(1)
		start := time.Now()
		var all []*looks
		for range 40 {
			l := &looks{store: w.store}
			all = append(all, l)
			defer running(t, open(l.watch(), func(c *replica.Config) { c.Poll, c.StartJitter = time.Hour, time.Second }))()
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		places := map[time.Duration]bool{}
		for i, l := range all {
			after := l.at[0].Sub(start)
			places[after.Truncate(50*time.Millisecond)] = true
			if after > time.Second {
				t.Errorf("replica %d looks after %s", i, after)
			}
		}
		if len(places) < 5 {
			t.Errorf("40 replicas look at %d times", len(places))
		}
	})
}

// slowStore takes a second for each blob, and counts those under way.
type slowStore struct {
	now, most atomic.Int64
}

func (s *slowStore) over(store blob.Store) blob.Store {
	return watchedStore{store, func(key string) func() {
		if !strings.Contains(key, "/blobs/") {
			return func() {}
		}
		for n := s.now.Add(1); n > s.most.Load(); {
			s.most.Store(n)
		}
		time.Sleep(time.Second)
		return func() { s.now.Add(-1) }
	}}
}

// TestFetchesAreBounded starts the replicas of a process at once: three load at
// a time, and all have loaded in the end. What they load later is bounded, too.
func TestFetchesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, blob.NewMemory(), 100)
		w.grow(1)
		slow := &slowStore{}
		fetches := replica.NewFetches(3)
		var all []*replica.Replica
		for range 30 {
			r := open(slow.over(w.store), func(c *replica.Config) { c.Fetches = fetches })
			all = append(all, r)
			defer running(t, r)()
		}
		for _, when := range []string{"at the start", "later"} {
			time.Sleep(15 * time.Second)
			synctest.Wait()
			for i, r := range all {
				if r.Current() == nil || r.Current().Version() != w.last() {
					t.Errorf("%s: replica %d is not at version %s", when, i, w.last())
				}
			}
			if most := slow.most.Load(); most != 3 {
				t.Errorf("%s: %d blobs were fetched at a time", when, most)
			}
			w.grow(1)
		}
		time.Sleep(15 * time.Second)
		synctest.Wait()
	})
}

// TestNewsDoesNotWaitForSnapshots has more replicas load than there is room for,
// from a store that does not answer: another one still applies its deltas.
func TestNewsDoesNotWaitForSnapshots(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, blob.NewMemory(), 100)
		w.grow(1)
		fetches := replica.NewFetches(1)
		with := func(c *replica.Config) { c.Fetches = fetches }
		r := open(w.store, with)
		defer running(t, r)()
		synctest.Wait()
		hang := watchedStore{w.store, func(key string) func() {
			if strings.Contains(key, "/blobs/") {
				time.Sleep(time.Hour)
			}
			return func() {}
		}}
		for range 3 {
			other := open(hang, with)
			defer running(t, other)()
		}
		synctest.Wait()
		w.grow(2)
		time.Sleep(time.Second)
		synctest.Wait()
		if got := r.Current().Version(); got != w.last() {
			t.Errorf("at version %s, %s was announced", got, w.last())
		}
		if _, err := r.At(t.Context(), w.versions[0]); err != nil {
			t.Errorf("a version in memory: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := open(w.store, with).Refresh(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a snapshot that waits for room: %v", err)
		}
	})
}
