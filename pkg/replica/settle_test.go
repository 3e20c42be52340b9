package replica_test

import (
	"context"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// TestSettle settles the states that were read from snapshots when they can be asked,
// also one that At has read before the first refresh, and one of another store. Where
// ctx ends it goes on at the next refresh.
func TestSettle(t *testing.T) {
	a, b := newWorld(t, blob.NewMemory(), 100), newWorld(t, blob.NewMemory(), 1)
	a.grow(2)
	store := replaceable(a.store)
	ctx, end := context.WithCancel(t.Context())
	var r *replica.Replica
	r = open(store, func(c *replica.Config) {
		c.Confirmed = func(announce.Hint) {
			if v := r.Current(); v == nil || !replica.Raw(v) {
				t.Error("the state is settled before it can be asked")
			}
			end()
		}
	})
	if err := r.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	first := r.Current()
	if !replica.Raw(first) {
		t.Error("the state is settled though ctx has ended")
	}
	if refresh(t, r, a.last()); replica.Raw(first) {
		t.Error("the first state is not settled")
	}
	b.grow(3)
	store.set(b.store)
	if now := refresh(t, r, b.last()); replica.Raw(now) {
		t.Error("the state of another store is not settled")
	}
	old, err := open(a.store, nil).At(t.Context(), a.versions[0])
	if err != nil || replica.Raw(old) {
		t.Errorf("the state of an old version is not settled, error %v", err)
	}
}
