package replica_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// views returns the views of all versions of a small dataset.
func views(t *testing.T, n int) (all []*replica.View) {
	t.Helper()
	w := newWorld(t, blob.NewMemory(), 1)
	w.grow(n)
	r := open(w.store, nil)
	refresh(t, r, w.last())
	for _, v := range w.versions {
		view, err := r.At(t.Context(), v)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, view)
	}
	return all
}

func TestSessions(t *testing.T) {
	v := views(t, 3)
	current := v[0]
	start := time.Unix(0, 0)
	at := func(seconds int) time.Time { return start.Add(time.Duration(seconds) * time.Second) }
	s := replica.NewSessions(replica.SessionLimits{Count: 2, Lease: 10 * time.Second, Bytes: 1 << 20},
		func(dataset.Name) *replica.View { return current }, start)
	one, err := s.Open("", map[dataset.Name]*replica.View{"n": v[0]}, 0, at(0))
	if err != nil || one.Lease != 10*time.Second {
		t.Fatalf("%+v, %v", one, err)
	}
	two, err := s.Open("", map[dataset.Name]*replica.View{"n": v[1]}, 4*time.Second, at(0))
	if err != nil || two.ID == one.ID || two.Lease != 4*time.Second {
		t.Fatalf("%+v, %v", two, err)
	}
	if _, err := s.Open("", nil, 0, at(0)); !errors.Is(err, replica.ErrSessionLimit) {
		t.Errorf("a third one: %v", err)
	}
	get := func(n *replica.Session, when int, want *replica.View) {
		t.Helper()
		found, err := s.Get(n.ID, at(when))
		if want == nil {
			if !errors.Is(err, replica.ErrNoSession) {
				t.Errorf("at %d s: %v, want that it is over", when, err)
			}
			return
		}
		if err != nil {
			t.Errorf("at %d s: %v", when, err)
			return
		}
		if view, err := found.View("n"); view != want || err != nil {
			t.Errorf("at %d s: another view, %v", when, err)
		}
		if _, err := found.View("m"); !errors.Is(err, replica.ErrNotInSession) {
			t.Errorf("another dataset: %v", err)
		}
	}
	get(one, 9, v[0])
	get(two, 3, v[1])
	get(two, 4, nil)
	if _, err := s.Renew(two.ID, at(4)); !errors.Is(err, replica.ErrNoSession) {
		t.Errorf("renewed what was over: %v", err)
	}
	if _, err := s.Renew(one.ID, at(9)); err != nil {
		t.Error(err)
	}
	get(one, 18, v[0])
	three, err := s.Open("", map[dataset.Name]*replica.View{"n": v[2]}, time.Hour, at(10)) // in the place of two
	if err != nil || three.Lease != 10*time.Second {
		t.Fatalf("%+v, %v", three, err)
	}
	s.Close(three.ID)
	s.Close(three.ID)
	get(three, 10, nil)
	if n, bytes := s.Held(at(10)); n != 1 || bytes != 0 {
		t.Errorf("%d sessions hold %d bytes beside the current version", n, bytes)
	}
	current = v[2]
	if _, bytes := s.Held(at(10)); bytes == 0 {
		t.Error("an old version costs nothing")
	}
	s.Expire(at(100))
	get(one, 18, nil)
}

// TestSessionsPerOwner gives each owner its share.
func TestSessionsPerOwner(t *testing.T) {
	start := time.Unix(0, 0)
	s := replica.NewSessions(replica.SessionLimits{Count: 3, PerOwner: 2, Lease: time.Second},
		func(dataset.Name) *replica.View { return nil }, start)
	for _, c := range []struct {
		owner string
		after time.Duration
		ok    bool
	}{{"a", 0, true}, {"a", 0, true}, {"a", 0, false}, {"b", 0, true}, {"b", 0, false}, {"a", time.Second, true}} {
		if _, err := s.Open(c.owner, nil, 0, start.Add(c.after)); (err == nil) != c.ok || err != nil && !errors.Is(err, replica.ErrSessionLimit) {
			t.Errorf("owner %s after %s: %v", c.owner, c.after, err)
		}
	}
}

func TestSessionBytes(t *testing.T) {
	v := views(t, 3)
	current := v[2]
	limits := replica.SessionLimits{Count: 100, Lease: time.Second, Bytes: v[0].State.SizeBeyond(v[2].State)}
	s := replica.NewSessions(limits, func(dataset.Name) *replica.View { return current }, time.Unix(0, 0))
	now := time.Unix(1, 0)
	for range 3 { // what several hold counts once
		if _, err := s.Open("", map[dataset.Name]*replica.View{"n": v[0]}, 0, now); err != nil {
			t.Fatal(err)
		}
	}
	newest, err := s.Open("", map[dataset.Name]*replica.View{"n": v[2]}, 0, now)
	if err != nil {
		t.Fatalf("the current version costs nothing: %v", err)
	}
	if _, err := s.Open("", map[dataset.Name]*replica.View{"n": v[1]}, 0, now); !errors.Is(err, replica.ErrSessionLimit) {
		t.Errorf("one version more: %v", err)
	}
	current = v[1]
	if _, err := s.Renew(newest.ID, now); !errors.Is(err, replica.ErrSessionLimit) {
		t.Errorf("renewed a session when too much is held: %v", err)
	}
	if _, err := s.Renew(newest.ID, now.Add(2*time.Second)); !errors.Is(err, replica.ErrNoSession) {
		t.Errorf("later: %v", err)
	}
}

// TestSessionsAtOnce opens, reads and closes from many goroutines.
func TestSessionsAtOnce(t *testing.T) {
	v := views(t, 1)
	s := replica.NewSessions(replica.SessionLimits{Count: 8, Lease: time.Minute, Bytes: 1}, func(dataset.Name) *replica.View { return v[0] }, time.Now())
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				n, err := s.Open("", map[dataset.Name]*replica.View{"n": v[0]}, 0, time.Now())
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := s.Get(n.ID, time.Now()); err != nil {
					t.Error(err)
				}
				s.Expire(time.Now())
				s.Close(n.ID)
			}
		})
	}
	all.Wait()
	if n, _ := s.Held(time.Now()); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
}

// TestCut takes versions that were the newest at one moment, also if datasets
// move between the looks.
func TestCut(t *testing.T) {
	names := []dataset.Name{"a", "b"}
	for _, c := range []struct {
		moves      int // that a and b make in step, one per look at b
		want       dataset.Version
		consistent bool
	}{{0, 0, true}, {1, 1, true}, {3, 3, true}, {100, 8, false}} {
		// a and b always move together; look at b happens after the move.
		now, left := dataset.Version(0), c.moves
		cut, consistent, err := replica.Cut(names, func(n dataset.Name) (replica.Announced, error) {
			if n == "b" && left > 0 {
				left--
				now++
			}
			return replica.Announced{Version: now}, nil
		})
		if err != nil || consistent != c.consistent || cut["b"].Version != c.want || consistent && cut["a"] != cut["b"] {
			t.Errorf("%d moves: %v, %v, %v", c.moves, cut, consistent, err)
		}
	}
	broken := errors.New("broken")
	if _, _, err := replica.Cut(names, func(dataset.Name) (replica.Announced, error) { return replica.Announced{}, broken }); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}
