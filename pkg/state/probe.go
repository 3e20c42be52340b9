package state

import (
	"iter"

	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// Probe yields the positions of the entries of a SET or MAP that a look-up by
// hash has to try, in the order of the hash table from the hash's place to the
// next free one.
func (r Record) Probe(hash int32) iter.Seq[int] {
	return func(yield func(int) bool) {
		n := r.Len()
		if n == 0 {
			return
		}
		size := uint32(wire.TableSize(uint64(n)))
		place := uint32(hash) & (size - 1)
		i, end := 0, n
		for i < end { // the first entry at place or behind it
			if mid := (i + end) / 2; r.bucket(mid) < place {
				i = mid + 1
			} else {
				end = mid
			}
		}
		for range n {
			if i == n || r.bucket(i) != place || !yield(i) {
				return
			}
			i, place = i+1, place+1
			if place == size {
				i, place = 0, 0
			}
		}
	}
}
