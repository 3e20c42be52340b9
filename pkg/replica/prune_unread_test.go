package replica_test

import (
	"cmp"
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// lose takes the i'th of the files away whose keys have a prefix, and returns what puts
// it back.
func lose(t *testing.T, store blob.Store, prefix string, i int) (putBack func()) {
	t.Helper()
	files, err := store.List(t.Context(), prefix)
	if err != nil || i >= len(files) {
		t.Fatalf("files %v, error %v", files, err)
	}
	slices.SortFunc(files, func(a, b blob.Info) int { return cmp.Compare(a.Key, b.Key) })
	data, err := store.Get(t.Context(), files[i].Key)
	if err == nil {
		err = store.Delete(t.Context(), files[i].Key)
	}
	if err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := store.Put(t.Context(), files[i].Key, data); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPruneInputsOfLost keeps all that a run may have read of which it is lost what it
// read, and says so, until that is put back.
func TestPruneInputsOfLost(t *testing.T) {
	for name, c := range map[string]struct {
		run  func(w *world, i int, input dataset.Version)
		lost string // a file of the third run of four
		at   int
		what string
	}{
		"manifest": {func(w *world, i int, input dataset.Version) { output(w.t, w.store, dataset.Version(i+1), input) }, "out/versions/", 2,
			"out@3, whose manifest is lost"},
		"entry": {func(w *world, i int, input dataset.Version) {
			if i == 0 {
				output(w.t, w.store, 1, input)
			} else {
				ran(w.t, w.store, 1, input)
			}
		}, "out/log/", 2, "out, of whose log position 2 is lost"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, blob.NewMemory(), 3)
			w.grow(14)
			for i, at := range []int{1, 4, 7, 10} {
				c.run(w, i, w.versions[at])
			}
			putBack := lose(t, w.store, c.lost, c.at)
			p := announce.Pruner{Store: w.store, Dataset: "n", Policy: blob.PrunePolicy{Keep: 3}}
			inputs := func() (out []int, unread []string) {
				t.Helper()
				plan, err := p.Plan(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				for i, v := range w.versions {
					if slices.ContainsFunc(plan.Why[v], func(r blob.Reason) bool { return r.Kind == blob.Input }) {
						out = append(out, i)
					}
				}
				return out, plan.Unread
			}
			got, unread := inputs()
			if want := []int{1, 4, 5, 6, 7, 8, 9, 10}; name == "manifest" && !slices.Equal(got, want) || !slices.Contains(got, 7) || !slices.Contains(unread, c.what) {
				t.Errorf("inputs are %v, unread %q; want %v and %q", got, unread, want, c.what)
			}
			putBack()
			if got, unread = inputs(); len(unread) > 0 || slices.Contains(got, 6) || !slices.Contains(got, 7) {
				t.Errorf("put back: inputs are %v, unread %q", got, unread)
			}
		})
	}
}

// TestPruneBesideNoOutput is not held up by a lost manifest of a dataset that no logic
// makes.
func TestPruneBesideNoOutput(t *testing.T) {
	w := newWorld(t, blob.NewMemory(), 3)
	w.grow(8)
	for v := range dataset.Version(3) {
		announced(t, w.store, v+1, dataset.Lineage{})
	}
	lose(t, w.store, "out/versions/", 1)
	if plan := prune(t, w.store, 1); len(plan.Unread) > 0 || len(plan.Files) == 0 {
		t.Errorf("unread %q, %d files deleted", plan.Unread, len(plan.Files))
	}
}

// TestPruneBesideShorterLog fails while an output's log lacks its newest entries: what
// the runs read that these are of is not known.
func TestPruneBesideShorterLog(t *testing.T) {
	dir, err := blob.OpenDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, dir, 3)
	w.grow(8)
	output(t, dir, 1, w.versions[1])
	output(t, dir, 2, w.versions[3])
	f, err := announce.Open(dir, "out").Refresh(t.Context())
	if err == nil {
		err = os.Mkdir(dir.Path("out/blobs"), 0o755)
	}
	if err == nil {
		err = announce.Project(t.Context(), dir, "out", f)
	}
	if err != nil {
		t.Fatal(err)
	}
	putBack := lose(t, dir, "out/log/", 1)
	p := announce.Pruner{Store: dir, Dataset: "n", Policy: blob.PrunePolicy{Keep: 1}}
	if plan, err := p.Run(t.Context(), announce.Author{Name: "test"}); !errors.Is(err, announce.ErrShorter) || len(plan.Files) > 0 {
		t.Errorf("%d files deleted, error %v, want ErrShorter", len(plan.Files), err)
	}
	first := lose(t, dir, "out/log/", 0)
	if plan, err := p.Run(t.Context(), announce.Author{Name: "test"}); !errors.Is(err, announce.ErrShorter) || len(plan.Files) > 0 {
		t.Errorf("all of the log is gone: %d files deleted, error %v, want ErrShorter", len(plan.Files), err)
	}
	first()
	putBack()
	if _, err := p.Run(t.Context(), announce.Author{Name: "test"}); err != nil {
		t.Errorf("put back: %v", err)
	}
}

// TestPruneKeepsInputsBehindLostManifest: that a manifest of the dataset itself is lost
// takes no input away, not even the version whose it is, which can be read once that is
// put back.
func TestPruneKeepsInputsBehindLostManifest(t *testing.T) {
	inputs := []int{2, 5, 9}
	for lost := range 14 {
		for _, cut := range []bool{false, true} {
			w := newWorld(t, blob.NewMemory(), 4)
			w.grow(14)
			for i, at := range inputs {
				output(t, w.store, dataset.Version(i+1), w.versions[at])
			}
			putBack := lose(t, w.store, "n/versions/", lost)
			key := manifestKey(t, w, lost)
			if cut {
				if err := w.store.Put(t.Context(), key, []byte("{")); err != nil {
					t.Fatal(err)
				}
			}
			for range 2 {
				prune(t, w.store, 1)
			}
			if cut {
				if err := w.store.Delete(t.Context(), key); err != nil && !errors.Is(err, blob.ErrNotFound) {
					t.Fatal(err)
				}
			}
			putBack()
			for _, at := range inputs {
				view, err := open(w.store, nil).At(t.Context(), w.versions[at])
				if err != nil {
					t.Errorf("the manifest of version %d was lost (cut: %v): version %d is an input: %v", lost, cut, at, err)
					continue
				}
				w.check(view)
			}
		}
	}
}

// manifestKey returns the key of the i'th version's manifest, as the log names it.
func manifestKey(t *testing.T, w *world, i int) string {
	t.Helper()
	for e, err := range announce.Open(w.store, "n").Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if a, ok := e.Body.(announce.Announcement); ok && a.Version == w.versions[i] {
			return blob.ManifestKey("n", a.Version, a.Manifest)
		}
	}
	t.Fatal("not announced")
	return ""
}

// TestPruneInputsOfInputs keeps what a version was made from that stays because another
// was made from it, although it is below its own log's horizon.
func TestPruneInputsOfInputs(t *testing.T) {
	store := blob.NewMemory()
	raw, out, end := newWorld(t, store, 3), newWorld(t, store, 3), newWorld(t, store, 3)
	out.name, end.name = "out", "end"
	raw.grow(12)
	from := func(w *world, v dataset.Version) {
		w.made = &dataset.Evaluation{Logic: "l", Inputs: []dataset.Input{{Dataset: map[*world]dataset.Name{out: "n", end: "out"}[w], Version: v}}}
		w.grow(1)
	}
	for i := range 6 {
		from(out, raw.versions[2*i])
	}
	from(end, out.versions[1])
	p := announce.Pruner{Store: store, Dataset: "out", Policy: blob.PrunePolicy{Keep: 1}}
	plan, err := p.Run(t.Context(), announce.Author{Name: "test"})
	if err != nil || !slices.Contains(plan.Kept, out.versions[1]) || plan.Horizon <= out.versions[1] || slices.Contains(plan.Kept, out.versions[2]) {
		t.Fatalf("of out are kept %v, the horizon is %v, error %v", plan.Kept, plan.Horizon, err)
	}
	input := func(i int) bool {
		return slices.ContainsFunc(plan.Why[raw.versions[i]], func(r blob.Reason) bool { return r.Kind == blob.Input })
	}
	if plan = prune(t, store, 1); !input(2) || !input(10) || input(4) {
		t.Errorf("of n are kept %v, because of %v", plan.Kept, plan.Why)
	}
}

// TestStaleListingLosesNothing takes no version for lost that was pruned, although a
// listing still has what was pruned before it.
func TestStaleListingLosesNothing(t *testing.T) {
	w := newWorld(t, blob.NewMemory(), 3)
	w.grow(8)
	stale := blobtest.NewFaulty(w.store, func(op blobtest.Op) blobtest.Fault {
		if op.Verb == blobtest.List {
			return blobtest.Stale
		}
		return blobtest.None
	})
	if files, err := stale.List(t.Context(), "n/versions/"); err != nil || len(files) != 8 {
		t.Fatalf("%d manifests, error %v", len(files), err)
	}
	plan := prune(t, w.store, 1)
	f, err := announce.Open(stale, "n").Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	points, err := replica.NewCatalog(stale, "n").History(t.Context(), f)
	if err != nil || len(points) != len(plan.Kept) {
		t.Errorf("history has %d versions, error %v, want %d", len(points), err, len(plan.Kept))
	}
}
