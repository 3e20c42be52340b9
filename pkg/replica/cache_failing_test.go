package replica_test

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// warnings counts the log records of level WARN and above, and says them.
type warnings struct {
	slog.Handler
	t     testing.TB
	count atomic.Int64
}

func newWarnings(t testing.TB) *warnings { return &warnings{Handler: slog.DiscardHandler, t: t} }

func (w *warnings) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

func (w *warnings) Handle(_ context.Context, r slog.Record) error {
	var text strings.Builder
	r.Attrs(func(a slog.Attr) bool { text.WriteString(" " + a.String()); return true })
	w.t.Logf("%s:%s", r.Message, text.String())
	w.count.Add(1)
	return nil
}

// watched returns a replica with the cache in a folder, and counts its warnings.
func watched(t testing.TB, store blob.Store, dir string, max int64) (*replica.Replica, *warnings) {
	t.Helper()
	c, err := replica.OpenCache(dir, max)
	if err != nil {
		t.Fatal(err)
	}
	said := newWarnings(t)
	return open(store, func(cfg *replica.Config) { cfg.Cache, cfg.Logger = c, slog.New(said) }), said
}

// TestCacheFolderRemoved removes the cache's folder, or what is in it, beneath a
// replica: the next look brings back what a start needs.
func TestCacheFolderRemoved(t *testing.T) {
	for name, harm := range map[string]func(dir string) error{
		"all of it": os.RemoveAll,
		"its content": func(dir string) error {
			return errors.Join(os.RemoveAll(dir), os.Mkdir(dir, 0o700))
		},
	} {
		t.Run(name, func(t *testing.T) {
			store := newNetwork(blob.NewMemory())
			w := newWorld(t, store, 3)
			w.grow(2)
			dir := filepath.Join(t.TempDir(), "cache")
			r, said := watched(t, store, dir, 1<<20)
			refresh(t, r, w.last())
			for _, news := range []int{0, 1} { // without a new version, and with one
				if err := harm(dir); err != nil {
					t.Fatal(err)
				}
				w.grow(news)
				refresh(t, r, w.last())
				if _, err := os.Stat(filepath.Join(dir, ".holdfast-cache")); err != nil {
					t.Error(err)
				}
				w.cold(store, dir, w.last())
			}
			if n := said.count.Load(); n > 0 {
				t.Errorf("%d warnings, want none", n)
			}
		})
	}
}

// TestCacheTooSmallFetchesNothing has a cache that does not hold a snapshot: no
// look fetches one for it, and one warning for each snapshot says so.
func TestCacheTooSmallFetchesNothing(t *testing.T) {
	for _, max := range []int64{1, 3000} { // nothing fits, or all but the snapshot
		w := newWorld(t, blob.NewMemory(), 5)
		store := newNetwork(w.store) // the producer's reads do not count
		w.grow(40)
		for w.manifest().Snapshot == nil { // so that no delta is loaded
			w.grow(1)
		}
		if size := w.manifest().Snapshot.Size; size < 3000 {
			t.Fatalf("the snapshot has %d bytes, and is to be larger than the cache", size)
		}
		r, said := watched(t, store, t.TempDir(), max)
		for range 5 {
			refresh(t, r, w.last())
		}
		if gets, n := store.gets.Load(), said.count.Load(); gets != 1 || n != 1 {
			t.Errorf("of %d bytes: %d blobs were read and %d warnings given, want 1 and 1", max, gets, n)
		}
		for range 4 { // deltas from that snapshot
			w.grow(1)
			before := store.gets.Load()
			refresh(t, r, w.last())
			refresh(t, r, w.last())
			if gets, n := store.gets.Load()-before, said.count.Load(); gets != 1 || n != 1 {
				t.Errorf("of %d bytes, with a delta: %d blobs were read and %d warnings given, want 1 and 1", max, gets, n)
			}
		}
		w.grow(1) // another snapshot
		before := store.gets.Load()
		refresh(t, r, w.last())
		refresh(t, r, w.last())
		if gets, n := store.gets.Load()-before, said.count.Load(); gets != 1 || n != 2 {
			t.Errorf("of %d bytes, with another snapshot: %d blobs were read and %d warnings given, want 1 and 2", max, gets, n)
		}
	}
}

// manifest returns the manifest of the newest version.
func (w *world) manifest() *blob.Manifest {
	w.t.Helper()
	f, err := announce.Open(w.store, "n").Refresh(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	at, err := replica.NewCatalog(w.store, "n").Head(w.t.Context(), f)
	if err != nil {
		w.t.Fatal(err)
	}
	return at.Manifest
}

// TestCacheCannotWrite has a disk that takes no blobs for six hours, of a dataset
// with a new version each minute: the snapshot is fetched a few times, each try
// gives a warning, and afterwards the cache is as it should be.
func TestCacheCannotWrite(t *testing.T) {
	for name, file := range map[string]string{"no blobs": "n/blobs", "nothing": "n", "not what the log says": "n/fold.json/x"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, blob.NewMemory(), 1000)
				w.grow(1)
				store := newNetwork(w.store)
				dir := t.TempDir()
				r, said := watched(t, store, dir, 1<<20)
				write(t, dir, file)
				deltas := int64(0)
				for look := range 6 * 360 {
					if look%6 == 0 && look < 360 {
						w.grow(1)
						deltas++
					}
					refresh(t, r, w.last())
					time.Sleep(10 * time.Second)
				}
				// tries after 0, 1, 3, 7, 15, 31, 63, 123, … minutes, or a quarter sooner
				if more := store.gets.Load() - 2*deltas; more > 16 { // each delta for the version, and once for the cache
					t.Errorf("%d blobs were read beside the deltas", more)
				}
				if n := said.count.Load(); n == 0 || n > 16 {
					t.Errorf("%d warnings in six hours", n)
				}
				if err := os.RemoveAll(filepath.Join(dir, filepath.Dir(file+"/x"))); err != nil {
					t.Fatal(err)
				}
				_ = os.RemoveAll(filepath.Join(dir, "n/fold.json"))
				time.Sleep(time.Hour)
				refresh(t, r, w.last())
				w.cold(store, dir, w.last())
			})
		})
	}
}

// TestCacheDamagedInStore has a snapshot that was damaged in the store after it
// was read, and is gone from the cache: it is not fetched again at each look.
func TestCacheDamagedInStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, blob.NewMemory(), 2)
		w.grow(1)
		store, dir := newNetwork(w.store), t.TempDir()
		r, said := watched(t, store, dir, 1<<20)
		refresh(t, r, w.last())
		m := w.manifest()
		key := blob.BlobKey("n", m.Version, m.Snapshot.Digest)
		err := errors.Join(os.RemoveAll(dir), w.store.Delete(t.Context(), key), w.store.Put(t.Context(), key, []byte("damaged")))
		if err != nil {
			t.Fatal(err)
		}
		before := store.gets.Load()
		for range 3600 {
			refresh(t, r, w.last())
			time.Sleep(time.Second)
		}
		// after 1, 3, 7, 15, … seconds, or a quarter sooner
		if gets, n := store.gets.Load()-before, said.count.Load(); gets == 0 || gets > 16 || n != gets {
			t.Errorf("in an hour, %d blobs were read and %d warnings given", gets, n)
		}
	})
}
