package replica_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// TestCacheDamagedForTwo has two replicas read one damaged snapshot of a cache at the
// same time: whoever finds out first removes it, and both read it from the store.
func TestCacheDamagedForTwo(t *testing.T) {
	store := newNetwork(blob.NewMemory())
	w := newWorld(t, store, 1)
	many := records{}
	for i := range 30_000 {
		many[fmt.Sprint("id", i)] = i * 7919 % 1_000_003
	}
	w.publish(many)
	for range 6 {
		dir := t.TempDir()
		refresh(t, cached(t, store, dir, 1<<30), w.last())
		blobs, err := filepath.Glob(filepath.Join(dir, "n", "blobs", "*"))
		if err != nil || len(blobs) != 1 {
			t.Fatalf("%d blobs, %v", len(blobs), err)
		}
		b, err := os.ReadFile(blobs[0])
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)-10] ^= 1
		if err := os.WriteFile(blobs[0], b, 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := replica.OpenCache(dir, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		var both errgroup.Group
		for range 2 {
			r := open(store, func(cfg *replica.Config) { cfg.Cache = c })
			both.Go(func() error {
				if err := r.Refresh(t.Context()); err != nil {
					return err
				}
				w.check(r.Current())
				return nil
			})
		}
		if err := both.Wait(); err != nil {
			t.Fatalf("the store is whole: %v", err)
		}
	}
}
