package replica_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// prune deletes all but the newest keep versions of n, whatever their age.
func prune(t testing.TB, store blob.Store, keep int, others ...blob.Store) blob.PrunePlan {
	t.Helper()
	p := announce.Pruner{Store: store, Dataset: "n", Policy: blob.PrunePolicy{Keep: keep}, InputsOf: others}
	plan, err := p.Run(t.Context(), announce.Author{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// kept checks that exactly the versions of plan can be had, with their content,
// and are listed.
func (w *world) kept(plan blob.PrunePlan) {
	w.t.Helper()
	if v := verify(w.t, w.store); len(v.Problems) > 0 {
		w.t.Errorf("verify: %q", v.Problems)
	}
	var listed []dataset.Version
	for _, p := range history(w.t, w.store) {
		listed = append(listed, p.Manifest.Version)
	}
	if !slices.Equal(listed, plan.Kept) {
		w.t.Errorf("listed are %v, kept are %v", listed, plan.Kept)
	}
	for _, version := range w.versions {
		view, err := open(w.store, nil).At(w.t.Context(), version)
		switch {
		case slices.Contains(plan.Kept, version) && err != nil:
			w.t.Errorf("version %s was kept: %v", version, err)
		case err == nil:
			w.check(view)
		case !errors.Is(err, replica.ErrPruned) || !errors.Is(err, replica.ErrNoVersion):
			w.t.Errorf("version %s: %v, want ErrPruned and ErrNoVersion", version, err)
		}
		if !slices.Contains(plan.Kept, version) && err == nil && version >= plan.Horizon {
			w.t.Errorf("version %s is there, but not in the plan", version)
		}
	}
}

func TestPrune(t *testing.T) {
	dir, err := blob.CreateDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, dir, 4)
	w.grow(2)
	behind := open(dir, nil)
	refresh(t, behind, w.last())
	w.grow(7)
	w.fields = wider
	w.grow(3)
	pin(t.Context(), t, dir, w.versions[6])
	plan := prune(t, dir, 2)
	if plan.Horizon != w.versions[6] || len(plan.Files) == 0 {
		t.Errorf("pinned to %s, the horizon is %s, %d files went", w.versions[6], plan.Horizon, len(plan.Files))
	}
	w.kept(plan)
	refresh(t, open(dir, nil), w.versions[6])
	pin(t.Context(), t, dir, dataset.None)
	plan = prune(t, dir, 2)
	if want := w.versions[len(w.versions)-3:]; plan.Horizon != want[1] || !slices.Equal(plan.Kept, want) { // the first leads to the others
		t.Errorf("the horizon is %s, kept are %v, want %v", plan.Horizon, plan.Kept, want)
	}
	w.kept(plan)
	w.check(refresh(t, open(dir, nil), w.last()))
	w.check(refresh(t, behind, w.last())) // its own manifest is gone
	if again := prune(t, dir, 2); len(again.Files) > 0 {
		t.Errorf("a second prune deletes %v", again.Files)
	}
	w.grow(2)
	w.kept(prune(t, dir, 3))
}

// TestPruneNames: Hollow's names of what is gone go.
func TestPruneNames(t *testing.T) {
	dir, err := blob.CreateDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, dir, 3)
	w.grow(8)
	for range 2 { // the second time at the same horizon
		prune(t, dir, 2)
		entries, err := os.ReadDir(dir.Path("n"))
		if err != nil {
			t.Fatal(err)
		}
		blobs, err := dir.List(t.Context(), "n/blobs/")
		if err != nil {
			t.Fatal(err)
		}
		same := func(name string) bool {
			a, err := os.Stat(filepath.Join(dir.Path("n"), name))
			return err == nil && slices.ContainsFunc(blobs, func(i blob.Info) bool {
				b, err := os.Stat(dir.Path(i.Key))
				return err == nil && os.SameFile(a, b)
			})
		}
		names := 0
		for _, e := range entries {
			if strings.Contains(e.Name(), "-") {
				names++
				if !same(e.Name()) {
					t.Errorf("%s is the name of no blob", e.Name())
				}
			}
		}
		if names != len(blobs) {
			t.Errorf("%d names of %d blobs", names, len(blobs))
		}
		w.grow(0)
	}
}

// paused is a store whose n'th Put waits, after or before it has written.
type paused struct {
	blob.Store
	n           int
	after       bool
	there, wake chan struct{}
}

func (p *paused) Put(ctx context.Context, key string, data []byte) error {
	p.n--
	if p.n != 0 {
		return p.Store.Put(ctx, key, data)
	}
	var err error
	if p.after {
		err = p.Store.Put(ctx, key, data)
	}
	close(p.there)
	<-p.wake
	if p.after {
		return err
	}
	return p.Store.Put(ctx, key, data)
}

// TestPruneBesidePausedProducer pauses a producer at each of its Puts, while
// others announce and prune beyond its version. When it wakes up nothing that
// it writes can be reached, and the next prune removes it.
func TestPruneBesidePausedProducer(t *testing.T) {
	for n := 1; ; n++ {
		for _, after := range []bool{false, true} {
			store := blob.NewMemory()
			w := newWorld(t, store, 1)
			w.grow(2)
			p := &paused{Store: store, n: n, after: after, there: make(chan struct{}), wake: make(chan struct{})}
			done := make(chan error, 1)
			go func() { done <- publishTo(t, p, w.mappings[plain]) }()
			select {
			case err := <-done:
				if err != nil || n < 5 {
					t.Fatalf("the producer has made %d Puts, error %v", n-1, err)
				}
				return
			case <-p.there:
			}
			f, err := announce.Open(store, "n").Refresh(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if f.Head != w.last() { // it was paused after its announcement
				close(p.wake)
				if err := <-done; err != nil {
					t.Error(err)
				}
				continue
			}
			w.grow(3)
			plan := prune(t, store, 1)
			close(p.wake)
			if err := <-done; !errors.Is(err, announce.ErrConflict) {
				t.Errorf("paused at Put %d: publish = %v, want ErrConflict", n, err)
			}
			w.kept(plan)
			w.check(refresh(t, open(store, nil), w.last()))
			last := prune(t, store, 1)
			for _, f := range last.Files {
				if slices.ContainsFunc(plan.Files, func(before blob.Info) bool { return before.Key == f.Key }) && !strings.HasPrefix(f.Key, "blobs/") {
					t.Errorf("paused at Put %d: %s came back", n, f.Key)
				}
			}
			if v := verify(t, store); len(v.Problems) > 0 || len(v.Orphans) > 0 {
				t.Errorf("paused at Put %d: %+v", n, v)
			}
			w.kept(last)
		}
	}
}

// publishTo publishes one more version of n.
func publishTo(t testing.TB, store blob.Store, m *protomap.Mapping) error {
	c, err := cycle.Open(t.Context(), cycle.Config{
		Dataset: "n", Store: store, Mapping: m, Author: announce.Author{Name: "paused"},
		SnapshotEvery: 1, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		return err
	}
	_, err = c.Run(t.Context(), dataset.Lineage{Producer: "paused"}, func(sink protomap.Sink) error {
		msg, err := m.ParseJSON([]byte(`{"id":"paused"}`))
		if err == nil {
			_, err = m.Add(sink, msg)
		}
		return err
	})
	return err
}

// TestPruneInterrupted lets each delete fail: the rest goes the next time, and
// readers never see a difference.
func TestPruneInterrupted(t *testing.T) {
	for stop := 0; ; stop++ {
		store := blob.NewMemory()
		w := newWorld(t, store, 3)
		w.grow(7)
		deletes := 0
		faulty := blobtest.NewFaulty(store, func(op blobtest.Op) blobtest.Fault {
			if op.Verb == blobtest.Delete {
				if deletes++; deletes > stop {
					return blobtest.Fault(1 + stop%2) // not done, or done and lost
				}
			}
			return blobtest.None
		})
		p := announce.Pruner{Store: faulty, Dataset: "n", Policy: blob.PrunePolicy{Keep: 2}}
		plan, err := p.Run(t.Context(), announce.Author{Name: "test"})
		if err == nil {
			w.kept(plan)
			return
		}
		if !errors.Is(err, blobtest.ErrInjected) || len(plan.Files) != stop {
			t.Errorf("interrupted at delete %d: %v after %d", stop, err, len(plan.Files))
		}
		w.check(refresh(t, open(store, nil), w.last()))
		if v := verify(t, store); len(v.Problems) > 0 {
			t.Errorf("interrupted at delete %d: %q", stop, v.Problems)
		}
		w.kept(prune(t, store, 2))
	}
}

// TestPruneInputs keeps what outputs, here and elsewhere, were made from.
func TestPruneInputs(t *testing.T) {
	store, elsewhere := blob.NewMemory(), blob.NewMemory()
	w := newWorld(t, store, 3)
	w.grow(8)
	output(t, store, 1, w.versions[1])
	output(t, elsewhere, 1, w.versions[4])
	want := []dataset.Version{w.versions[0], w.versions[1], w.versions[3], w.versions[4], w.versions[6], w.last()}
	plan := prune(t, store, 1, elsewhere) // two of three versions need the one before
	if !slices.Equal(plan.Kept, want) {
		t.Errorf("kept are %v, want %v", plan.Kept, want)
	}
	w.kept(plan)
	plan = prune(t, store, 1)
	if !slices.Equal(plan.Kept, slices.Delete(want, 2, 4)) {
		t.Errorf("without the other store kept are %v", plan.Kept)
	}
	w.kept(plan)
}

// output announces a version of dataset out that was made from n@input.
func output(t testing.TB, store blob.Store, v, input dataset.Version) {
	t.Helper()
	announced(t, store, v, dataset.Lineage{Evaluation: &dataset.Evaluation{
		Logic: "l", Inputs: []dataset.Input{{Dataset: "n", Version: input}},
	}})
}

// announced announces a version of dataset out.
func announced(t testing.TB, store blob.Store, v dataset.Version, from dataset.Lineage) {
	t.Helper()
	f, err := announce.Open(store, "out").Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := &blob.Manifest{
		Dataset: "out", Version: v, Segment: v, Created: time.Now(), Lineage: from, Previous: f.Head, PreviousManifest: f.Manifest,
	}
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	digest := dataset.DigestOf(b)
	if err := store.Put(t.Context(), blob.ManifestKey("out", v, digest), b); err != nil {
		t.Fatal(err)
	}
	if _, err := announce.Open(store, "out").Announce(t.Context(), announce.Author{Name: "test"}, announce.AnnouncementOf(m, digest)); err != nil {
		t.Fatal(err)
	}
}

// TestPruneRefolds: a pin that comes between is respected.
func TestPruneRefolds(t *testing.T) {
	store := blob.NewMemory()
	w := newWorld(t, store, 1)
	w.grow(5)
	pinned := false
	between := blobtest.NewFaulty(store, func(op blobtest.Op) blobtest.Fault {
		if op.Verb == blobtest.Put && !pinned { // the prune entry is about to be written
			pinned = true
			pin(t.Context(), t, store, w.versions[1])
		}
		return blobtest.None
	})
	p := announce.Pruner{Store: between, Dataset: "n", Policy: blob.PrunePolicy{Keep: 1}}
	plan, err := p.Run(t.Context(), announce.Author{Name: "test"})
	if err != nil || plan.Horizon != w.versions[1] {
		t.Errorf("pinned to %s meanwhile, the horizon is %s, error %v", w.versions[1], plan.Horizon, err)
	}
	w.kept(plan)
	w.check(refresh(t, open(store, nil), w.versions[1]))
}

// TestPruneManyKeys takes several entries.
func TestPruneManyKeys(t *testing.T) {
	store := blob.NewMemory()
	w := newWorld(t, store, 1)
	w.grow(2)
	for i := range 600 {
		data := fmt.Append(nil, "orphan ", i)
		if err := store.Put(t.Context(), blob.BlobKey("n", w.versions[0], dataset.DigestOf(data)), data); err != nil {
			t.Fatal(err)
		}
	}
	plan := prune(t, store, 1)
	prunes := 0
	for e, err := range announce.Open(store, "n").Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if body, ok := e.Body.(announce.Prune); ok {
			prunes++
			if len(body.Keys) > 256 {
				t.Errorf("an entry names %d keys", len(body.Keys))
			}
		}
	}
	if len(plan.Files) < 600 || prunes != 3 {
		t.Errorf("%d files went in %d entries", len(plan.Files), prunes)
	}
	w.kept(plan)
}

// TestPruneGap prunes versions between one that is kept as an input and the
// newest, whose manifests stay. They are listed nowhere; who asks for one learns
// that it was pruned, and nothing is said of damage.
func TestPruneGap(t *testing.T) {
	for _, every := range []int{1, 2, 9} {
		store := blob.NewMemory()
		w := newWorld(t, store, every)
		w.grow(2)
		behind := open(store, func(c *replica.Config) { c.NoFallback = true })
		refresh(t, behind, w.last())
		w.grow(5)
		output(t, store, 1, w.versions[2])
		ahead := replica.Config{}
		var said strings.Builder
		logged := func(c *replica.Config) {
			c.Logger = slog.New(slog.NewTextHandler(&said, nil))
			ahead = *c
		}
		follower := open(store, logged)
		refresh(t, follower, w.last())
		w.kept(prune(t, store, 1))

		var can, listed []dataset.Version
		for _, v := range w.versions {
			// From nothing, and from the newest, whose reverse delta stays.
			_, err := replica.Open(ahead).At(t.Context(), v)
			if _, near := follower.At(t.Context(), v); err == nil {
				can = append(can, v)
				if near != nil {
					t.Errorf("snapshot every %d, version %s: from the newest: %v", every, v, near)
				}
			} else if !errors.Is(err, replica.ErrPruned) || errors.Is(err, blob.ErrNotFound) || strings.Count(err.Error(), v.String()) != 1 {
				t.Errorf("snapshot every %d, version %s: %v", every, v, err)
			}
		}
		for _, p := range history(t, store) {
			listed = append(listed, p.Manifest.Version)
		}
		if !slices.Equal(listed, can) {
			t.Errorf("snapshot every %d: listed are %v, what can be read are %v", every, listed, can)
		}
		shown := 0
		v, err := replica.Verify(t.Context(), store, "n", func(n, _ int) { shown = n })
		if err != nil || v.Versions != len(can) || shown != len(can) || len(v.Problems) > 0 {
			t.Errorf("snapshot every %d: verify counts %d versions, shows %d, want %d; problems %q, error %v", every, v.Versions, shown, len(can), v.Problems, err)
		}
		// A delta that was pruned is not waited for.
		w.check(refresh(t, behind, w.last()))
		if said.Len() > 0 || follower.Status().Detours != 0 {
			t.Errorf("snapshot every %d: %d detours, it logs\n%s", every, follower.Status().Detours, &said)
		}
	}
}

// TestPruneSchema: a schema stays when the versions that name it go, and is no
// orphan, because no cycle failed.
func TestPruneSchema(t *testing.T) {
	store := blob.NewMemory()
	w := newWorld(t, store, 1)
	w.grow(1)
	schema := history(t, store)[0].Manifest.Schema
	w.fields = wider
	w.grow(2)
	if v := verify(t, store); len(v.UnusedSchemas) > 0 {
		t.Errorf("before the prune schemas %q are unused", v.UnusedSchemas)
	}
	prune(t, store, 1)
	v := verify(t, store)
	if want := []string{"schemas/" + schema.String()}; len(v.Orphans) > 0 || len(v.Problems) > 0 || !slices.Equal(v.UnusedSchemas, want) {
		t.Errorf("orphans %q, problems %q, unused schemas %q, want %q", v.Orphans, v.Problems, v.UnusedSchemas, want)
	}

	// What a manifest that is lost named nobody knows.
	newest := history(t, store)[0]
	spoil(t, store, blob.ManifestKey("n", newest.Manifest.Version, newest.Digest), true)
	if v := verify(t, store); len(v.UnusedSchemas) > 0 || len(v.Problems) == 0 {
		t.Errorf("a manifest is lost: problems %q, unused schemas %q", v.Problems, v.UnusedSchemas)
	}
}
