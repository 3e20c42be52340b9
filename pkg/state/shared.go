package state

import (
	"iter"
	"math/bits"
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
		mids := max(len(a.live.mids), len(b.live.mids), len(a.pages.mids), len(b.pages.mids))
		for m := range mids {
			if a.live.mid(m) == b.live.mid(m) && a.pages.mid(m) == b.pages.mid(m) {
				continue
			}
			for leaf := m * midSize; leaf < (m+1)*midSize; leaf++ {
				if !unsharedLeaf(a, b, leaf, yield) {
					return
				}
			}
		}
	}
}

// mid returns the m'th middle node or nil.
func (s *sparse[T]) mid(m int) *[midSize]*T {
	if m >= len(s.mids) {
		return nil
	}
	return s.mids[m]
}

func unsharedLeaf(a, b *Type, leaf int, yield func(Ordinal) bool) bool {
	liveA, liveB := a.live.get(leaf), b.live.get(leaf)
	pagesA, pagesB := a.pages.get(leaf), b.pages.get(leaf)
	if liveA == liveB && pagesA == pagesB {
		return true
	}
	for p := range chunkPages {
		inA, inB := liveA.page(p), liveB.page(p)
		out := inA ^ inB
		if inA|inB != 0 && !samePage(pagesA, pagesB, p) {
			out = inA | inB
		}
		for ; out != 0; out &= out - 1 {
			o := leaf*chunkOrdinals + p*pageSize + bits.TrailingZeros16(out)
			if !yield(Ordinal(o)) {
				return false
			}
		}
	}
	return true
}

// page returns which ordinals of the p'th page are populated.
func (l *liveBlock) page(p int) uint16 {
	if l == nil {
		return 0
	}
	at := p * pageSize
	return uint16(l[at/64] >> (at % 64))
}

func samePage(a, b *chunk, p int) bool {
	if a == b {
		return true
	}
	if a == nil || b == nil {
		return false
	}
	x, y := a.pages[p], b.pages[p]
	return x.lay != nil && x.lay == y.lay && &x.data[0] == &y.data[0]
}
