package state

import (
	"runtime"
	"slices"
	"sync"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// parallelSums is how many records a goroutine has to hash at least.
const parallelSums = 512

// sumAll is sumEach with all processors, if the records are many. Each goroutine
// has a Hasher of its own; what they find out, they all know.
func (h *Hasher) sumAll(t *typeHasher, list []Ordinal) (sum dataset.Digest, err error) {
	n := min(runtime.GOMAXPROCS(0), len(list)/parallelSums)
	if n < 2 {
		return h.sumEach(t, list)
	}
	parts := slices.Collect(slices.Chunk(list, (len(list)+n-1)/n))
	workers := make([]*Hasher, len(parts))
	sums := make([]dataset.Digest, len(parts))
	errs := make([]error, len(parts))
	var all sync.WaitGroup
	for i, part := range parts {
		w := h.worker()
		workers[i] = w
		all.Go(func() { sums[i], errs[i] = w.sumEach(t, part) })
	}
	all.Wait()
	for i, w := range workers {
		if errs[i] != nil { // the first in the order of the list
			return dataset.Digest{}, errs[i]
		}
		sum = addDigests(sum, sums[i])
		for of, use := range w.uses {
			h.uses[of].hits += use.hits
			h.uses[of].misses += use.misses
		}
	}
	return sum, nil
}

// worker returns a Hasher of the same state that shares with h what is known.
// Until it is done, nothing but such Hashers may use that.
func (h *Hasher) worker() *Hasher {
	return &Hasher{state: h.state, types: h.types, uses: make([]memoUse, len(h.uses))}
}
