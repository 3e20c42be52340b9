package replica_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// TestChain follows a chain with two changes of schema version by version, and
// opens each version anew, as the old one, and by every other.
func TestChain(t *testing.T) {
	for _, every := range []int{1, 3, 100} {
		w := newWorld(t, blob.NewMemory(), every)
		follower := open(w.store, nil)
		if err := follower.Refresh(t.Context()); !errors.Is(err, replica.ErrEmpty) {
			t.Fatalf("empty store: error %v, want ErrEmpty", err)
		}
		for _, fields := range []string{plain, wider, retyped} {
			w.fields = fields
			for range 4 {
				w.grow(1)
				w.check(refresh(t, follower, w.last()))
				w.check(refresh(t, open(w.store, nil), w.last()))
			}
		}
		for _, from := range w.versions {
			r := open(w.store, func(c *replica.Config) { c.Keep = 2 })
			for _, to := range w.versions {
				for _, v := range []dataset.Version{from, to} {
					view, err := r.At(t.Context(), v)
					if err != nil {
						t.Fatalf("snapshot every %d: from %s at %s: %v", every, from, v, err)
					}
					w.check(view)
				}
			}
		}
		history, err := follower.History(t.Context())
		if err != nil || len(history) != len(w.versions) {
			t.Errorf("history has %d versions, error %v", len(history), err)
		}
	}
}

// TestDeltasAreFollowed looks at what a replica fetches.
func TestDeltasAreFollowed(t *testing.T) {
	var fetched int64
	store := blob.NewMemory()
	w := newWorld(t, store, 1)
	big := records{}
	for i := range 2000 {
		big[strings.Repeat("x", i%50)+string(rune('a'+i%26))+dataset.Version(i).String()] = i
	}
	w.publish(big)
	r := open(counting{store, &fetched}, nil)
	refresh(t, r, w.last())
	snapshot := fetched
	for range 5 {
		big["one"]++
		w.publish(big)
		fetched = 0
		w.check(refresh(t, r, w.last()))
		if fetched > snapshot/10 {
			t.Errorf("a delta of one record fetched %d bytes, the snapshot has %d", fetched, snapshot)
		}
	}
}

// counting counts the bytes of blobs that are read.
type counting struct {
	blob.Store
	n *int64
}

func (s counting) Get(ctx context.Context, key string) ([]byte, error) {
	b, err := s.Store.Get(ctx, key)
	if strings.Contains(key, "/blobs/") {
		*s.n += int64(len(b))
	}
	return b, err
}

func TestPin(t *testing.T) {
	for _, every := range []int{1, 100} {
		w := newWorld(t, blob.NewMemory(), every)
		w.grow(3)
		w.fields = wider
		w.grow(3)
		r := open(w.store, nil)
		refresh(t, r, w.last())
		if p := r.Status().Pinned; p != dataset.None {
			t.Errorf("nothing is pinned, status says %s", p)
		}
		for _, i := range []int{4, 0, 2, 5, 1} {
			pin(t.Context(), t, w.store, w.versions[i])
			w.check(refresh(t, r, w.versions[i]))
			w.check(refresh(t, open(w.store, nil), w.versions[i]))
			if s := r.Status(); s.Pinned != w.versions[i] || s.Announced != w.versions[5] || s.State != replica.StateReady {
				t.Errorf("pinned to %s: status %+v", w.versions[i], s)
			}
		}
		w.grow(1) // the producer goes on
		w.check(refresh(t, r, w.versions[1]))
		view, err := r.At(t.Context(), w.last())
		if err != nil {
			t.Fatal(err)
		}
		w.check(view)
		if r.Current().Version() != w.versions[1] {
			t.Error("asking for a version moved the current one")
		}
		pin(t.Context(), t, w.store, dataset.None)
		w.check(refresh(t, r, w.last()))
	}
}

func TestAt(t *testing.T) {
	w := newWorld(t, blob.NewMemory(), 1)
	w.grow(8)
	r := open(w.store, func(c *replica.Config) { c.Keep = 3 })
	refresh(t, r, w.last())
	for _, v := range slices.Concat(w.versions, w.versions) {
		view, err := r.At(t.Context(), v)
		if err != nil {
			t.Fatal(err)
		}
		w.check(view)
		live := r.Live()
		if len(live) > 3 || !slices.Contains(live, v) || !slices.Contains(live, w.last()) || !slices.IsSorted(live) {
			t.Errorf("asked for %s, live are %s", v, live)
		}
	}
	if _, err := r.At(t.Context(), w.last()+1); !errors.Is(err, replica.ErrNoVersion) {
		t.Errorf("a version that is not announced: error %v, want ErrNoVersion", err)
	}
	if _, err := r.At(t.Context(), w.versions[0]-1); !errors.Is(err, replica.ErrNoVersion) {
		t.Errorf("a version before the first: error %v, want ErrNoVersion", err)
	}
	if _, err := open(blob.NewMemory(), nil).At(t.Context(), 1); !errors.Is(err, replica.ErrEmpty) {
		t.Errorf("a dataset without versions: error %v, want ErrEmpty", err)
	}
}

// TestOrphansAreInvisible publishes without announcing.
func TestOrphansAreInvisible(t *testing.T) {
	w := newWorld(t, blob.NewMemory(), 1)
	w.grow(2)
	r := open(w.store, nil)
	v := refresh(t, r, w.last())
	m := *v.Manifest
	m.Version, m.Previous, m.PreviousManifest = m.Version+1, m.Version, v.ManifestDigest
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := w.store.Put(t.Context(), blob.ManifestKey("n", m.Version, dataset.DigestOf(b)), b); err != nil {
		t.Fatal(err)
	}
	refresh(t, r, w.last())
	if _, err := r.At(t.Context(), m.Version); !errors.Is(err, replica.ErrNoVersion) {
		t.Errorf("error %v, want ErrNoVersion", err)
	}
}

// damaged is a store whose blobs can be flipped, gone, or in order again.
type damaged struct {
	blob.Store
	mu    sync.Mutex
	match func(key string) bool
	gone  bool
}

func (s *damaged) set(gone bool, match func(string) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gone, s.match = gone, match
}

func (s *damaged) Get(ctx context.Context, key string) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.Store.Get(ctx, key)
	switch {
	case err != nil || s.match == nil || !s.match(key):
		return b, err
	case s.gone:
		return nil, blob.ErrNotFound
	}
	b[len(b)/2] ^= 1
	return b, nil
}

// TestDamage breaks each kind of file: the old view stays, the error has a
// type, and the replica recovers by itself.
func TestDamage(t *testing.T) {
	for _, folder := range []string{"/blobs/", "/versions/", "/schemas/"} {
		for _, gone := range []bool{false, true} {
			store := &damaged{Store: blob.NewMemory()}
			w := newWorld(t, store, 1)
			w.grow(2)
			r := open(store, nil)
			old := refresh(t, r, w.last())
			w.fields = wider // a schema that was not read yet
			w.grow(1)
			store.set(gone, func(key string) bool { return strings.Contains(key, folder) })
			want := blob.ErrDigest
			if gone {
				want = blob.ErrNotFound
			}
			for range 2 {
				if err := r.Refresh(t.Context()); !errors.Is(err, want) {
					t.Errorf("%s, gone %v: error %v, want %v", folder, gone, err, want)
				}
				if r.Current() != old {
					t.Errorf("%s, gone %v: the view moved", folder, gone)
				}
				if s := r.Status(); s.State != replica.StateStale || s.Error == "" || s.Announced != w.last() {
					t.Errorf("%s, gone %v: status %+v", folder, gone, s)
				}
			}
			w.check(old)
			store.set(false, nil)
			w.check(refresh(t, r, w.last()))
			if s := r.Status(); s.State != replica.StateReady || s.Error != "" {
				t.Errorf("%s, gone %v: recovered, status %+v", folder, gone, s)
			}
		}
	}
}

// TestDamagedDelta is crossed by the snapshot, a damaged snapshot by the one
// before.
func TestDamagedDelta(t *testing.T) {
	store := &damaged{Store: blob.NewMemory()}
	w := newWorld(t, store, 1)
	w.grow(2)
	r := open(store, nil)
	refresh(t, r, w.last())
	w.grow(1)
	bad := map[string]bool{}
	store.set(false, func(key string) bool { return bad[key] })
	points, err := r.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := points[2].Manifest
	bad[blob.BlobKey("n", m.Version, m.Delta.Digest)] = true
	w.check(refresh(t, r, w.last()))
	clear(bad)
	bad[blob.BlobKey("n", m.Version, m.Snapshot.Digest)] = true
	w.check(refresh(t, open(store, nil), w.last()))
}

// TestLogFails keeps the view while the log cannot be read.
func TestLogFails(t *testing.T) {
	fails := true
	store := blob.NewMemory()
	w := newWorld(t, store, 1)
	w.grow(1)
	r := open(blobtest.NewFaulty(store, func(op blobtest.Op) blobtest.Fault {
		if fails && strings.Contains(op.Key, "/log/") {
			return blobtest.Fail
		}
		return blobtest.None
	}), nil)
	if err := r.Refresh(t.Context()); !errors.Is(err, blobtest.ErrInjected) || r.Current() != nil || r.Status().State != replica.StateLoading {
		t.Errorf("cold: error %v, status %+v", err, r.Status())
	}
	if s := r.Status(); s.Age >= 0 {
		t.Errorf("never confirmed, age is %s", s.Age)
	}
	fails = false
	refresh(t, r, w.last())
	w.grow(1)
	fails = true
	if err := r.Refresh(t.Context()); !errors.Is(err, blobtest.ErrInjected) {
		t.Errorf("error %v", err)
	}
	w.check(r.Current())
	if _, err := r.At(t.Context(), w.last()); !errors.Is(err, blobtest.ErrInjected) {
		t.Errorf("at a version: error %v", err)
	}
	fails = false
	w.check(refresh(t, r, w.last()))
}

// TestPruned lists and opens what a prune left.
func TestPruned(t *testing.T) {
	w := newWorld(t, blob.NewMemory(), 1)
	w.grow(4)
	r := open(w.store, nil)
	refresh(t, r, w.last())
	infos, err := w.store.List(t.Context(), "n/")
	if err != nil {
		t.Fatal(err)
	}
	p := announce.Prune{Horizon: w.versions[2]}
	for _, info := range infos {
		key := strings.TrimPrefix(info.Key, "n/")
		for _, v := range w.versions[:2] {
			if strings.Contains(key, "/"+v.String()+"-") {
				p.Keys = append(p.Keys, key)
			}
		}
	}
	if _, err := announce.Open(w.store, "n").Prune(t.Context(), announce.Author{Name: "test"}, p); err != nil {
		t.Fatal(err)
	}
	for _, key := range p.Keys {
		if err := w.store.Delete(t.Context(), "n/"+key); err != nil {
			t.Fatal(err)
		}
	}
	for _, r := range []*replica.Replica{r, open(w.store, nil)} {
		w.check(refresh(t, r, w.last()))
		points, err := r.History(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for len(points) > 0 && points[0].Manifest.Version < p.Horizon {
			points = points[1:] // a manifest that is remembered is no harm
		}
		if len(points) != 2 {
			t.Errorf("%d versions are left, want 2", len(points))
		}
	}
	if _, err := open(w.store, nil).At(t.Context(), w.versions[0]); !errors.Is(err, replica.ErrNoVersion) {
		t.Errorf("a pruned version: error %v, want ErrNoVersion", err)
	}
	v, err := replica.Verify(t.Context(), w.store, "n", nil)
	if err != nil || len(v.Problems) > 0 || v.Versions != 2 {
		t.Errorf("verify: %+v, error %v", v, err)
	}
}
