package replica_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// ran records that a logic made version v of dataset out again, from n@input.
func ran(t testing.TB, store blob.Store, v, input dataset.Version) {
	t.Helper()
	_, err := announce.Open(store, "out").Evaluated(t.Context(), announce.Author{Name: "test"}, dataset.Evaluation{
		Logic: "l", Inputs: []dataset.Input{{Dataset: "n", Version: input}}, Output: v,
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestPruneInputsOfUnchanged keeps what an output was made from that did not change
// by it: of the runs the newest, and those within the time that is kept.
func TestPruneInputsOfUnchanged(t *testing.T) {
	for _, of := range []string{"here", "elsewhere"} {
		store := blob.NewMemory()
		outputs := blob.Store(store)
		if of == "elsewhere" {
			outputs = blob.NewMemory()
		}
		w := newWorld(t, store, 3)
		w.grow(14)
		output(t, outputs, 1, w.versions[1])
		for _, i := range []int{4, 7, 10} {
			ran(t, outputs, 1, w.versions[i])
		}
		for _, c := range []struct {
			keep int
			long time.Duration
			gone []int // of the versions with runs
		}{{4, 0, nil}, {1, time.Hour, nil}, {2, 0, []int{4}}, {1, 0, []int{4, 7}}} {
			p := announce.Pruner{
				Store: store, Dataset: "n", InputsOf: []blob.Store{outputs},
				Policy: blob.PrunePolicy{Keep: c.keep, KeepFor: c.long},
			}
			plan, err := p.Run(t.Context(), announce.Author{Name: "test"})
			if err != nil {
				t.Fatal(err)
			}
			w.kept(plan)
			for _, i := range []int{1, 4, 7, 10} {
				input := slices.ContainsFunc(plan.Why[w.versions[i]], func(r blob.Reason) bool { return r.Kind == blob.Input })
				if want := !slices.Contains(c.gone, i); input != want {
					t.Errorf("%s, keep %d for %v: version %d is an input: %v, want %v", of, c.keep, c.long, i, input, want)
				}
			}
		}
	}
}

// TestPruneInputsOfUnknown keeps what runs read whose output no logic made, or whose
// output's manifest is lost, and also if the clock of one entry was wrong.
func TestPruneInputsOfUnknown(t *testing.T) {
	for _, c := range []struct {
		name string
		make func(w *world, store blob.Store)
	}{
		{"published by hand", func(w *world, store blob.Store) { announced(w.t, store, 1, dataset.Lineage{}) }},
		{"lost manifest", func(w *world, store blob.Store) {
			output(w.t, store, 1, w.versions[1])
			keys, err := store.List(w.t.Context(), "out/versions/")
			if err != nil || len(keys) != 1 {
				w.t.Fatal(keys, err)
			}
			if err := store.Delete(w.t.Context(), keys[0].Key); err != nil {
				w.t.Fatal(err)
			}
		}},
		{"a clock", func(w *world, store blob.Store) { output(w.t, store, 1, w.versions[1]) }},
	} {
		store := blob.NewMemory()
		w := newWorld(t, store, 3)
		w.grow(14)
		c.make(w, store)
		want := []int{4, 7, 10}
		for _, i := range want {
			ran(t, store, 1, w.versions[i])
			if i == 7 {
				wind(t, store, -48*time.Hour)
			}
		}
		p := announce.Pruner{Store: store, Dataset: "n", Policy: blob.PrunePolicy{Keep: 3}}
		if c.name == "a clock" {
			p.Policy, want = blob.PrunePolicy{Keep: 1, KeepFor: 3 * time.Hour}, []int{4, 10} // 7 is too old, by its own clock
			p.Now = func() time.Time { return time.Now().Add(2 * time.Hour) }
		}
		plan, err := p.Run(t.Context(), announce.Author{Name: "test"})
		if err != nil {
			t.Fatal(err)
		}
		w.kept(plan)
		for _, i := range want {
			if !slices.ContainsFunc(plan.Why[w.versions[i]], func(r blob.Reason) bool { return r.Kind == blob.Input }) {
				t.Errorf("%s: version %d stays because of %v, want an input, too", c.name, i, plan.Why[w.versions[i]])
			}
		}
	}
}

// wind gives the newest entry of out's log another time.
func wind(t *testing.T, store blob.Store, by time.Duration) {
	t.Helper()
	f, err := announce.Open(store, "out").Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	key := blob.LogKey("out", f.Position)
	data, err := store.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	e, err := announce.DecodeEntry(data)
	if err != nil {
		t.Fatal(err)
	}
	e.When = e.When.Add(by)
	if data, err = e.Encode(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(store.Delete(t.Context(), key), store.Put(t.Context(), key, data)); err != nil {
		t.Fatal(err)
	}
}

// TestPruneInputsSeenBetween: a run that is recorded while files are deleted keeps
// what it was made from.
func TestPruneInputsSeenBetween(t *testing.T) {
	store := blob.NewMemory()
	w := newWorld(t, store, 3)
	w.grow(14)
	output(t, store, 1, w.versions[1])
	ran(t, store, 1, w.versions[4])
	p := announce.Pruner{Store: store, Dataset: "n", Policy: blob.PrunePolicy{Keep: 1}}
	calls := 0
	p.Now = func() time.Time {
		if calls++; calls == 2 { // the second step's
			ran(t, store, 1, w.last())
		}
		return time.Now()
	}
	plan, err := p.Run(t.Context(), announce.Author{Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	w.kept(plan)
	if why := plan.Why[w.last()]; calls < 2 || !slices.ContainsFunc(why, func(r blob.Reason) bool { return r.Kind == blob.Input }) {
		t.Errorf("after %d plans the newest version stays because of %v, want an input, too", calls, why)
	}
}
