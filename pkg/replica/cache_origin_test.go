package replica_test

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// TestColdStartOfAnotherOrigin starts from a cache that another store has filled, or
// one that does not say which: nothing is served that the store's own log may not
// name, the reason is logged, and the cache is of use again once the store was read.
func TestColdStartOfAnotherOrigin(t *testing.T) {
	dir, store := t.TempDir(), newNetwork(blob.NewMemory())
	w := newWorld(t, store, 2)
	w.grow(3)
	said := &bytes.Buffer{}
	at := func(origin string) *replica.Replica {
		c, err := replica.OpenCache(dir, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		return open(store, func(cfg *replica.Config) {
			cfg.Cache, cfg.Origin, cfg.Logger = c, origin, slog.New(slog.NewTextHandler(said, nil))
		})
	}
	cold := func(origin string, want bool, why string) {
		t.Helper()
		store.cut.Store(true)
		defer store.cut.Store(false)
		said.Reset()
		r := at(origin)
		if err := r.Refresh(t.Context()); err == nil || (r.Current() != nil) != want {
			t.Errorf("from the cache, as store %s: at %v, error %v", origin, r.Current(), err)
		}
		if !strings.Contains(said.String(), why) {
			t.Errorf("it says %s, want %s", said, why)
		}
	}
	refresh(t, at("/s1"), w.last())
	cold("/s1", true, "started from the cache")
	cold("/s2", false, "the cache has the dataset of another store: /s1")
	file := filepath.Join(dir, "n", "fold.json")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before := bytes.Replace(b, []byte(`"origin":"/s1",`), nil, 1)
	if len(before) == len(b) {
		t.Fatalf("there is no origin in %s", b)
	}
	if err := os.WriteFile(file, before, 0o600); err != nil {
		t.Fatal(err)
	}
	cold("/s1", false, "it does not say of which")
	refresh(t, at("/s2"), w.last())
	cold("/s1", false, "the cache has the dataset of another store: /s2")
	cold("/s2", true, "started from the cache")
}
