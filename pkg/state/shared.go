package state

import (
	"iter"
	"math/bits"

	"github.com/holdfast-data/holdfast/pkg/state/internal/arena"
)

// Unshared yields, in ascending order, the ordinals that two versions of a
// type may read differently: those that are populated in one of them only, and
// those of both whose bytes do not lie at the same place in memory. It skips
// what is shared in large steps, so that it costs what changed. Types of
// different chains share nothing.
//
// For two states of one chain with the same model (see SameModel) an ordinal
// that is not yielded stands for the same content, with all that it refers to:
// it has been populated in every version between them, therefore what it refers
// to has, too, and content does not change while an ordinal is populated.
func Unshared(a, b *Type) iter.Seq[Ordinal] {
	return func(yield func(Ordinal) bool) {
		for i := range max(len(a.table), len(b.table)) {
			if a.table.get(i) != b.table.get(i) && !unsharedChunk(a, b, i, yield) {
				return
			}
		}
	}
}

func unsharedChunk(a, b *Type, i int, yield func(Ordinal) bool) bool {
	inB := b.table.get(i)
	for p, x := range a.table.get(i) {
		y := inB[p]
		out := x.live() ^ y.live()
		if x != 0 && y != 0 && !arena.Same(&a.blocks, x.handle(), &b.blocks, y.handle()) {
			out = x.live() | y.live()
		}
		for ; out != 0; out &= out - 1 {
			o := i<<chunkShift | p<<pageShift | bits.TrailingZeros16(out)
			if !yield(Ordinal(o)) {
				return false
			}
		}
	}
	return true
}
