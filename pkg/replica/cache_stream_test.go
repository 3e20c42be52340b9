package replica_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/blob"
)

// TestCacheDamaged holds that what was damaged in the cache, or cut, is read from
// the store again.
func TestCacheDamaged(t *testing.T) {
	store := newNetwork(blob.NewMemory())
	w := newWorld(t, store, 1)
	w.grow(3)
	dir := t.TempDir()
	refresh(t, cached(t, store, dir, 1<<20), w.last())
	for name, harm := range map[string]func(b []byte) []byte{
		"a byte": func(b []byte) []byte { b[len(b)/2] ^= 1; return b },
		"cut":    func(b []byte) []byte { return b[:len(b)/2] },
	} {
		harmed := 0
		err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
			if err != nil || e.IsDir() || e.Name() == ".holdfast-cache" {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			harmed++
			return os.WriteFile(path, harm(b), 0o600)
		})
		if err != nil || harmed == 0 {
			t.Fatalf("%d files are harmed, %v", harmed, err)
		}
		before := store.gets.Load()
		r := cached(t, store, dir, 1<<20)
		refresh(t, r, w.last())
		w.check(r.Current())
		if store.gets.Load() == before {
			t.Errorf("%s: nothing was fetched again", name)
		}
		if s := r.Status(); s.Detours > 0 { // the store's own are whole
			t.Errorf("%s: %d blobs were gone round: %s", name, s.Detours, s.Detour)
		}
	}
}
