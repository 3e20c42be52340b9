package replica_test

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// TestAnyWay damages any blobs of a chain: from nothing, a version can be loaded
// if and only if a snapshot of its segment leads to it, by the deltas from an
// earlier one or by the reverse deltas from a later one.
func TestAnyWay(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		store := &damaged{Store: blob.NewMemory()}
		w := newWorld(t, store, rapid.IntRange(1, 4).Draw(rt, "snapshot every"))
		for _, fields := range rapid.SliceOfN(rapid.SampledFrom([]string{plain, plain, plain, wider}), 2, 7).Draw(rt, "schemas") {
			w.fields = fields
			w.grow(1)
		}
		f, err := announce.Open(store, "n").Refresh(t.Context())
		if err != nil {
			rt.Fatal(err)
		}
		points, err := replica.NewCatalog(store, "n").History(t.Context(), f)
		if err != nil {
			rt.Fatal(err)
		}
		bad := map[string]bool{}
		good := func(m *blob.Manifest, ref *blob.Ref) bool {
			return ref != nil && !bad[blob.BlobKey("n", m.Version, ref.Digest)]
		}
		for _, p := range points {
			for what, ref := range map[string]*blob.Ref{"snapshot": p.Manifest.Snapshot, "delta": p.Manifest.Delta, "reverse": p.Manifest.ReverseDelta} {
				if ref != nil && rapid.IntRange(0, 2).Draw(rt, fmt.Sprintf("%s of %s", what, p.Manifest.Version)) == 0 {
					bad[blob.BlobKey("n", p.Manifest.Version, ref.Digest)] = true
				}
			}
		}
		store.set(rapid.Bool().Draw(rt, "gone"), func(key string) bool { return bad[key] })
		leads := func(from, to int) bool { // by deltas one way or the other
			for i := min(from, to) + 1; i <= max(from, to); i++ {
				m := points[i].Manifest
				if m.Segment == m.Version || from < to && !good(m, m.Delta) || from > to && !good(m, m.ReverseDelta) {
					return false
				}
			}
			return true
		}
		for i, p := range points {
			want := slices.ContainsFunc(points, func(s replica.Point) bool {
				return good(s.Manifest, s.Manifest.Snapshot) && leads(slices.Index(points, s), i)
			})
			v, err := replica.NewCatalog(store, "n").LoadAt(t.Context(), f, p.Manifest.Version, nil)
			if (err == nil) != want {
				rt.Fatalf("version %d: error %v, want one: %v", i, err, !want)
			}
			if err == nil {
				w.check(v)
			}
		}
	})
}

// TestPinnedThoughDamaged starts at a pinned version whose own snapshot is
// damaged, as a sidecar does that begins after it was.
func TestPinnedThoughDamaged(t *testing.T) {
	store := &damaged{Store: blob.NewMemory()}
	w := newWorld(t, store, 1)
	w.grow(100)
	pinned := w.versions[0]
	store.set(false, func(key string) bool { return strings.Contains(key, "blobs/"+pinned.String()) })
	log := announce.Open(store, "n")
	if _, err := log.Pin(t.Context(), announce.Author{Name: "test"}, pinned); err != nil {
		t.Fatal(err)
	}
	r := open(store, nil)
	w.check(refresh(t, r, pinned))
	if s := r.Status(); s.State != replica.StateReady || s.Detours != 1 {
		t.Errorf("status %+v", s)
	}
}

// TestNoWayBackToWhatWasPruned reads no version below the horizon by chance: a
// reverse delta of the oldest one that stays leads to it.
func TestNoWayBackToWhatWasPruned(t *testing.T) {
	w := newWorld(t, blob.NewMemory(), 1)
	w.grow(4)
	p := announce.Pruner{Store: w.store, Dataset: "n", Policy: blob.PrunePolicy{Keep: 2}}
	if _, err := p.Run(t.Context(), announce.Author{Name: "test"}); err != nil {
		t.Fatal(err)
	}
	if _, err := open(w.store, nil).At(t.Context(), w.versions[1]); !errors.Is(err, replica.ErrPruned) {
		t.Errorf("%v, want ErrPruned", err)
	}
	never := w.versions[0] - 1
	if _, err := open(w.store, nil).At(t.Context(), never); !errors.Is(err, replica.ErrPruned) || !strings.Contains(err.Error(), "or never announced") {
		t.Errorf("a version that never was: %v", err)
	}
}

// TestOvertakenReader lets a reader stand still in front of each of its
// operations, while others publish and prune: it comes to the newest version.
func TestOvertakenReader(t *testing.T) {
	for k, stood := 0, true; stood; k++ {
		w := newWorld(t, blob.NewMemory(), 1)
		w.grow(2)
		n, others := 0, 0
		r := open(blobtest.NewFaulty(w.store, func(blobtest.Op) blobtest.Fault {
			if n++; n > k && others < 3 {
				others++
				w.grow(2)
				p := announce.Pruner{Store: w.store, Dataset: "n", Policy: blob.PrunePolicy{Keep: 1}}
				if _, err := p.Run(t.Context(), announce.Author{Name: "test"}); err != nil {
					t.Fatal(err)
				}
			}
			return blobtest.None
		}), nil)
		if err := r.Refresh(t.Context()); err != nil {
			t.Errorf("operation %d: %v", k, err)
		} else {
			w.check(r.Current())
		}
		stood = others > 0
	}
}

// TestPipeAmongBlobs goes round a pipe in the place of a blob at once.
func TestPipeAmongBlobs(t *testing.T) {
	dir, err := blob.CreateDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, dir, 1)
	w.grow(2)
	keys, err := blob.After(t.Context(), dir, "n/blobs/", "")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range keys {
		if strings.Contains(key, w.versions[0].String()) {
			if err := errors.Join(os.Remove(dir.Path(key)), syscall.Mkfifo(dir.Path(key), 0o600)); err != nil {
				t.Fatal(err)
			}
		}
	}
	v, err := open(dir, nil).At(t.Context(), w.versions[0])
	if err != nil {
		t.Fatal(err)
	}
	w.check(v)
}
