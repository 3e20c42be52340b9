package replica_test

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// TestReaders has readers of current and old versions compare every record
// while versions arrive and are asked for.
func TestReaders(t *testing.T) {
	w := newWorld(t, blob.NewMemory(), 3)
	w.grow(3)
	r := open(w.store, func(c *replica.Config) { c.Keep = 3 })
	refresh(t, r, w.last())

	var content sync.Map // version → records
	for v, c := range w.content {
		content.Store(v, c)
	}
	check := func(v *replica.View) error {
		want, ok := content.Load(v.Version())
		if !ok {
			return fmt.Errorf("version %s was never announced", v.Version())
		}
		return same(v, want.(records))
	}
	var stop atomic.Bool
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			held := r.Current()
			for last := dataset.None; !stop.Load(); {
				v := r.Current()
				if v.Version() < last {
					t.Errorf("went from %s back to %s", last, v.Version())
				}
				last = v.Version()
				if err := errors.Join(check(v), check(held)); err != nil {
					t.Error(err)
					return
				}
				if s := r.Status(); s.Age < 0 || s.State != replica.StateReady {
					t.Errorf("status %+v", s)
				}
			}
		})
	}
	versions := w.versions[:3:3] // which need not follow each other: a second may have passed between
	for range 2 {
		all.Go(func() {
			for i := 0; !stop.Load(); i++ {
				v, err := r.At(t.Context(), versions[i%3])
				if err == nil {
					err = check(v)
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for i := range 12 {
		if i == 6 {
			w.fields = wider
		}
		next := records{"count": i}
		for j := range i {
			next[fmt.Sprint("id", j)] = i * j
		}
		v := w.publish(next)
		content.Store(v, next)
		refresh(t, r, v)
	}
	stop.Store(true)
	all.Wait()
}
