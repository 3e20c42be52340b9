package replica_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// spoil deletes a key, or damages its bytes.
func spoil(t testing.TB, store blob.Store, key string, damage bool) {
	t.Helper()
	data, err := store.Get(t.Context(), key)
	if err == nil {
		err = store.Delete(t.Context(), key)
	}
	if data[len(data)/2] ^= 1; err == nil && damage {
		err = store.Put(t.Context(), key, data)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// can returns the versions that can be loaded.
func (w *world) can() map[dataset.Version]bool {
	out := map[dataset.Version]bool{}
	for _, v := range w.versions {
		if view, err := open(w.store, nil).At(w.t.Context(), v); err == nil {
			w.check(view)
			out[v] = true
		}
	}
	return out
}

// TestPruneKeepsWhatCanBeRead damages each blob in turn: whatever prune keeps
// could be had before and can be had after, and the newest version that could
// is among it.
func TestPruneKeepsWhatCanBeRead(t *testing.T) {
	const versions = 6
	for _, every := range []int{1, 3} {
		whole := newWorld(t, blob.NewMemory(), every)
		whole.grow(versions)
		blobs, err := whole.store.List(t.Context(), "n/blobs/")
		if err != nil {
			t.Fatal(err)
		}
		for i, b := range blobs {
			for _, damage := range []bool{false, true} {
				w := *whole
				w.store = restored(t, whole.store)
				spoil(t, w.store, b.Key, damage)
				before, keep := w.can(), 1+i%3
				plan := prune(t, w.store, keep)
				after := w.can()
				name := fmt.Sprintf("snapshot every %d, %s damaged %v, keep %d", every, b.Key, damage, keep)
				for j, v := range w.versions {
					if before[v] && !after[v] && j >= versions-keep {
						t.Errorf("%s: version %s of the newest %d was lost", name, v, keep)
					}
					if slices.Contains(plan.Kept, v) && before[v] && !after[v] {
						t.Errorf("%s: version %s is said to be kept, and was lost", name, v)
					}
				}
				if len(after) == 0 {
					t.Errorf("%s: nothing can be had", name)
				}
			}
		}
	}
}

// TestPruneNamesDamage says which blob is damaged, and keeps the way round it.
func TestPruneNamesDamage(t *testing.T) {
	w := newWorld(t, blob.NewMemory(), 1)
	w.grow(3)
	last := history(t, w.store)[2].Manifest
	key := blob.BlobKey("n", last.Version, last.Snapshot.Digest)
	spoil(t, w.store, key, true)
	p := announce.Pruner{Store: w.store, Dataset: "n", Policy: blob.PrunePolicy{Keep: 1}}
	dry, err := p.Plan(t.Context())
	if err != nil || !slices.Equal(dry.Damaged, []string{key}) {
		t.Errorf("Plan finds damage %q, %v; want %s", dry.Damaged, err, key)
	}
	plan := prune(t, w.store, 1)
	if !slices.Equal(plan.Damaged, []string{key}) {
		t.Errorf("Run finds damage %q, want %s", plan.Damaged, key)
	}
	w.check(refresh(t, open(w.store, nil), w.last()))
}

// TestLostManifest loses the manifest of each version in turn: what does not
// need it can be read, pinned and pruned.
func TestLostManifest(t *testing.T) {
	for i := range 4 {
		for _, damage := range []bool{false, true} {
			dir, err := blob.CreateDir(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			w := newWorld(t, dir, 1)
			w.grow(4)
			lost := history(t, dir)[i]
			spoil(t, dir, blob.ManifestKey("n", lost.Manifest.Version, lost.Digest), damage)
			can := w.can()
			for j, v := range w.versions {
				if can[v] != (i != j) {
					t.Errorf("the manifest of version %d of 4 is lost (damaged %v): version %d can be had: %v", i, damage, j, can[v])
				}
			}
			f, err := announce.Open(dir, "n").Refresh(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			links, err := replica.NewCatalog(dir, "n").Chain(t.Context(), f)
			if err != nil || len(links) != 4 || links[i].Lost == nil || links[i].Version != lost.Manifest.Version {
				t.Errorf("Chain = %+v, %v", links, err)
			}
			good := w.versions[(i+2)%4]
			pin(t.Context(), t, dir, good)
			if err := announce.Project(t.Context(), dir, "n", f); err != nil {
				t.Error(err)
			}
			refresh(t, open(dir, nil), good)
			pin(t.Context(), t, dir, dataset.None)
			if plan := prune(t, dir, 1); !slices.Equal(plan.Lost, []dataset.Version{lost.Manifest.Version}) && i == 3 {
				t.Errorf("lost %v", plan.Lost)
			}
			problems := verify(t, dir).Problems
			if i == 3 && (len(problems) == 0 || !strings.Contains(problems[0], "manifest")) {
				t.Errorf("verify: %q", problems)
			}
		}
	}
}

// history returns every announced version of n.
func history(t testing.TB, store blob.Store) []replica.Point {
	t.Helper()
	f, err := announce.Open(store, "n").Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	points, err := replica.NewCatalog(store, "n").History(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	return points
}

// TestVerifyBesidePrune has a prune and a publish come between
// operations of a verification: nothing of what they do is a problem.
func TestVerifyBesidePrune(t *testing.T) {
	ended := false
	for k := 0; !ended; k += 3 {
		dir, err := blob.CreateDir(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld(t, dir, 2)
		w.grow(4)
		ended = true
		between := blobtest.NewFaulty(dir, func(op blobtest.Op) blobtest.Fault {
			if op.N == k {
				w.grow(1)
				prune(t, dir, 1)
				ended = false
			}
			return blobtest.None
		})
		if v := verify(t, between); len(v.Problems) > 0 {
			t.Errorf("before operation %d: %q", k, v.Problems)
		}
	}
}
