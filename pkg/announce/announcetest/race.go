package announcetest

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// History returns the log's entries after checking, with the model, that they
// are one chain, and the fold that a reader without memory gets.
func History(t testing.TB, store blob.Store, n dataset.Name) []announce.Entry {
	t.Helper()
	model := &Model{}
	var out []announce.Entry
	for e, err := range announce.Open(store, n).Entries(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		if e.Position() != int64(len(out)) {
			t.Fatalf("entry %d is at position %d", len(out), e.Position())
		}
		model.Add(e)
		out = append(out, e)
	}
	fold, err := announce.Open(store, n).Refresh(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(model.Fold(), fold); diff != "" {
		t.Fatalf("cold reader (-model +fold):\n%s", diff)
	}
	return out
}

// Race is a race of writers.
type Race struct {
	// Writers announce Each versions each.
	Writers, Each int
	// Store is what they race on; Open opens it for one of them.
	Store blob.Store
	Open  func() blob.Store
}

// RunRace lets writers announce versions, on logs and stores of their own, and
// checks that the chain in the store has exactly what was acknowledged.
func RunRace(t testing.TB, r Race) {
	t.Helper()
	const usage dataset.Name = "usage"
	var mu sync.Mutex
	acknowledged := make(map[dataset.Digest]bool)
	var wg sync.WaitGroup
	for w := range r.Writers {
		wg.Go(func() {
			log := announce.Open(r.Open(), usage)
			for i := range r.Each {
				digest := dataset.DigestOf(fmt.Append(nil, w, i))
				for {
					f, err := log.Refresh(t.Context())
					if err == nil {
						a := announce.Announcement{Version: f.Head + 1, Previous: f.Head, Manifest: digest}
						_, err = log.Announce(t.Context(), announce.Author{Name: fmt.Sprint("w", w)}, a)
					}
					if err == nil {
						break
					}
					if !errors.Is(err, announce.ErrConflict) && !errors.Is(err, blobtest.ErrInjected) {
						t.Error(err)
						return
					}
				}
				mu.Lock()
				acknowledged[digest] = true
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	found := make(map[dataset.Digest]bool)
	var head dataset.Version
	for _, e := range History(t, r.Store, usage) {
		a := e.Body.(announce.Announcement)
		if a.Previous != head || found[a.Manifest] {
			t.Errorf("position %d announces %s on %s again or not on the head %s", e.Position(), a.Version, a.Previous, head)
		}
		head, found[a.Manifest] = a.Version, true
	}
	if diff := cmp.Diff(acknowledged, found); diff != "" || len(found) != r.Writers*r.Each {
		t.Errorf("acknowledged and found differ (-acknowledged +found):\n%s", diff)
	}
}
