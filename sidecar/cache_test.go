package sidecar

import (
	"errors"
	"os"
	"testing"
)

// TestCacheInUse opens a second sidecar with the cache of one that runs, a new folder
// and one that is there. When the first one is closed, or could not be opened, the
// cache is free.
func TestCacheInUse(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(3, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Cache.Dir = t.TempDir() + "/cache"
	for range 2 {
		one, err := Open(t.Context(), cfg, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), cfg, Options{}); !errors.Is(err, ErrCacheInUse) {
			t.Errorf("a second one: %v, want ErrCacheInUse", err)
		}
		if err := one.Close(); err != nil {
			t.Fatal(err)
		}
		bad := cfg
		bad.Datasets = append(bad.Datasets, DatasetConfig{Name: "other", Store: "s3://bucket?nothing=1"})
		if _, err := Open(t.Context(), bad, Options{}); err == nil || errors.Is(err, ErrCacheInUse) {
			t.Errorf("one whose store cannot be opened: %v", err)
		}
	}
	cfg.Cache.Dir = t.TempDir() + "/file"
	if err := os.WriteFile(cfg.Cache.Dir, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), cfg, Options{}); err == nil {
		t.Error("a file was taken for a cache")
	}
}
