package sidecar

import (
	"os"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/blob"
)

// TestColdStartOfEmptyFolder starts with a cache while the store's folder is there
// and empty, as a mount point is that nothing was mounted at: datasets that are
// declared, and those of a store all of whose datasets are served.
func TestColdStartOfEmptyFolder(t *testing.T) {
	for name, declared := range map[string]bool{"declared": true, "all of a store": false} {
		t.Run(name, func(t *testing.T) {
			store := newStore(t)
			p := newProducer(t, store, "usage", usageProto)
			p.publish(usage(3, 1)...)
			cfg := testConfig(store, "usage")
			if !declared {
				cfg = testConfig(store).FromStore(store.Root())
			}
			cfg.Cache.Dir = t.TempDir()
			t.Run("fill the cache", func(t *testing.T) { untilReady(t, start(t, cfg)) })
			away := store.Root() + "-away"
			if err := os.Rename(store.Root(), away); err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(store.Root(), 0o755); err != nil {
				t.Fatal(err)
			}
			s := start(t, cfg)
			r := s.Replica("usage")
			if r == nil {
				t.Fatal("the dataset is not served")
			}
			until(t, "a version from the cache", func() bool { return r.Current() != nil })
			if st := r.Status(); st.State != "stale" || st.Age >= 0 {
				t.Errorf("status %+v, want stale, of unknown age", st)
			}
			if err := os.Remove(store.Root()); err != nil {
				t.Fatal(err)
			}
			if err := os.Rename(away, store.Root()); err != nil {
				t.Fatal(err)
			}
			until(t, "the store", func() bool { return r.Status().State == "ready" })
		})
	}
}

// TestColdStartOfAnotherStore starts with a cache that another store has filled while
// the store that is configured now is empty: nothing of the other one is served.
func TestColdStartOfAnotherStore(t *testing.T) {
	for name, declared := range map[string]bool{"declared": true, "all of a store": false} {
		t.Run(name, func(t *testing.T) {
			one, two := newStore(t), newStore(t)
			newProducer(t, one, "usage", usageProto).publish(usage(3, 1)...)
			config := func(store *blob.Dir) Config {
				cfg := testConfig(store, "usage")
				if !declared {
					cfg = testConfig(store).FromStore(store.Root())
				}
				return cfg
			}
			cfg, other := config(one), config(two)
			cfg.Cache.Dir = t.TempDir()
			other.Cache = cfg.Cache
			t.Run("fill the cache", func(t *testing.T) { untilReady(t, start(t, cfg)) })
			s := start(t, other)
			if declared {
				r := s.Replica("usage")
				until(t, "a look", func() bool { return r.Status().Error != "" || r.Current() != nil })
			}
			if r := s.Replica("usage"); r != nil && r.Current() != nil || s.Ready() == nil {
				t.Errorf("the other store's dataset is served: %+v", s.Status())
			}
			want := newProducer(t, two, "usage", usageProto).publish(usage(3, 2)...)
			untilVersion(t, s, "usage", want)
		})
	}
}
