package sidecar

import (
	"os"
	"testing"
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
