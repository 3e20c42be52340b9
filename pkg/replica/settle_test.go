package replica_test

import (
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// TestSettle settles the states that were read from snapshots, each once and only when
// it can be asked: not those that a delta led to, but the one of another store.
func TestSettle(t *testing.T) {
	a, b := newWorld(t, blob.NewMemory(), 100), newWorld(t, blob.NewMemory(), 1)
	a.grow(1)
	store := replaceable(a.store)
	var r *replica.Replica
	r = open(store, func(c *replica.Config) {
		c.Confirmed = func(announce.Hint) {
			if r.Current() == nil || replica.Settled(r) == r.Current() {
				t.Error("the state is settled before it can be asked")
			}
		}
	})
	first := refresh(t, r, a.last())
	if replica.Settled(r) != first {
		t.Error("the first state is not settled")
	}
	a.grow(1)
	if refresh(t, r, a.last()) == first || replica.Settled(r) != first {
		t.Error("a state that a delta led to is settled")
	}
	b.grow(3)
	store.set(b.store)
	if now := refresh(t, r, b.last()); replica.Settled(r) != now {
		t.Error("the state of another store is not settled")
	}
}
