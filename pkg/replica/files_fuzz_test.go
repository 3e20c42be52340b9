package replica

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/holdfast-data/holdfast/internal/fuzzing"
	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// fileLimit is what reading a small file may allocate.
var fileLimit = fuzzing.Limit{Fixed: 1 << 20, PerByte: 1000}

// FuzzRecall reads any bytes as what a cache remembers of a log. What is read
// is remembered and read again as it was, and a start from it fails or goes to
// a version that the cache has: none.
func FuzzRecall(f *testing.F) {
	c, err := OpenCache(f.TempDir(), 1<<20)
	if err != nil {
		f.Fatal(err)
	}
	folder := filepath.Join(c.dir, "usage")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		f.Fatal(err)
	}
	pinned := announce.Fold{
		Position: 7, Epoch: 2, Holder: "x", Head: 20, Manifest: dataset.DigestOf(nil), Horizon: 3, Positions: map[string]string{"a": "1"},
		Pin: &announce.Pin{Version: 10, Manifest: dataset.DigestOf([]byte("m"))}, Snapshot: &announce.Snapshot{Version: 20},
	}
	for _, fold := range []announce.Fold{announce.Empty(), pinned} {
		if err := c.remember("usage", "", fold); err != nil {
			f.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(folder, foldFile))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(filepath.Join(folder, foldFile), b, 0o600); err != nil {
			t.Fatal(err)
		}
		var fold, again announce.Fold
		var err error
		fileLimit.Check(t, foldFile, len(b), func() { fold, err = c.recall("usage", "") })
		if err != nil {
			return
		}
		if err = c.remember("usage", "", fold); err == nil {
			again, err = c.recall("usage", "")
		}
		if err != nil || !reflect.DeepEqual(again, fold) {
			t.Errorf("%s is read as %+v, then as %+v, error %v", b, fold, again, err)
		}
		cfg := DefaultConfig()
		cfg.Dataset, cfg.Cache = "usage", c
		if view, err := Open(cfg).loadCold(t.Context(), fold); err == nil {
			t.Errorf("%s leads to version %s of an empty cache", b, view.Version())
		}
	})
}

// FuzzForeignAnnounced reads any bytes as what a Java producer announces.
func FuzzForeignAnnounced(f *testing.F) {
	x := &foreign{name: "usage", path: f.TempDir()}
	for _, text := range []string{"20250101000001001", "20250101000001001\r\n", "7\n8", "-1", "9223372036854775808", ""} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := os.WriteFile(filepath.Join(x.path, announcedFile), b, 0o600); err != nil {
			t.Fatal(err)
		}
		var fold announce.Fold
		var err error
		fileLimit.Check(t, announcedFile, len(b), func() { fold, err = x.Refresh(t.Context()) })
		if v, _ := fold.Effective(); (err == nil) != (v != dataset.None) || v < 0 {
			t.Errorf("%q announces %d, error %v", b, v, err)
		}
	})
}
