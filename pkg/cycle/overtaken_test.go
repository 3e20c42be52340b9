package cycle_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// TestOvertaken lets a producer stand still in front of each of its operations
// in turn, while others publish and prune all but the newest version. It goes on
// from the head that there is then: no version is lost, so no flag is advised,
// and one that was given has no effect.
func TestOvertaken(t *testing.T) {
	for _, scratch := range []bool{false, true} {
		for _, times := range []int{1, 3} {
			for k := 0; overtaken(t, scratch, k, times); k++ {
				if k > 100 {
					t.Fatal("no cycle ever ends well")
				}
			}
		}
	}
}

// overtaken stands still before the k-th operation, and before as many more
// reads of manifests as times says. It says whether there were so many.
func overtaken(t *testing.T, scratch bool, k, times int) (stood bool) {
	m, memory := mapping(t, plain), blob.NewMemory()
	name := fmt.Sprintf("from scratch %v, operation %d, %d times", scratch, k, times)
	for _, line := range []string{a1, a2} {
		run(t, open(t.Context(), t, config(memory, m, 1)), lines(m, line))
	}
	others := 0
	overtake := func() {
		others++
		for i := range 2 {
			run(t, open(t.Context(), t, config(memory, m, 1)), lines(m, fmt.Sprintf(`{"id":"o","v":%d}`, 2*others+i)))
		}
		p := announce.Pruner{Store: memory, Dataset: "n", Policy: blob.PrunePolicy{Keep: 1}}
		if _, err := p.Run(t.Context(), announce.Author{Name: "test"}); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	cfg := config(blobtest.NewFaulty(memory, func(blobtest.Op) blobtest.Fault {
		if n++; n > k && others < times {
			overtake()
		}
		return blobtest.None
	}), m, 1)
	cfg.FromScratch = scratch
	c, err := cycle.Open(t.Context(), cfg)
	var r cycle.Result
	for err == nil {
		r, err = c.Run(t.Context(), dataset.Lineage{}, lines(m, b1))
		if !errors.Is(err, announce.ErrConflict) {
			break
		}
		err = c.Restore(t.Context())
	}
	points := history(t, memory)
	if head := points[len(points)-1].Manifest; err != nil || !r.Published || r.Removed != 1 || r.Version != head.Version || head.Delta == nil {
		t.Errorf("%s: %+v, error %v", name, r, err)
	}
	verify(t, memory)
	return others > 0
}
