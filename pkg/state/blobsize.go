package state

import (
	"io"
	"math/bits"
)

// A grower is a writer that likes to know how much comes, as a bytes.Buffer does:
// one that grows by and by takes three times as much while it moves, and may keep
// twice as much.
type grower interface{ Grow(n int) }

// expect tells a writer about how many bytes of frames come, if it wants to know.
func expect(w io.Writer, frames uint64) {
	const rest = 4 << 10 // what is in front of the frames, mostly
	if g, ok := w.(grower); ok {
		g.Grow(int(frames+frames/128) + rest)
	}
}

// snapshotSize returns about how many bytes the type's frame takes, with so many words
// of populated bits.
func (t *typeTransition) snapshotSize(populated int) uint64 {
	s := t.statistics()
	return t.size(uint64(s.max+1), sum(t.next.tally().texts), sum(s.all.places)) + 8*uint64(populated)
}

// deltaSize returns about how many bytes the type's frame takes in a delta: all
// counts are of what is in Next or was removed.
func (t *typeTransition) deltaSize(reverse bool) uint64 {
	all, next := t.statistics().all, t.next.tally()
	records, texts, places := len(t.removed), less(sum(all.texts), sum(next.texts)), less(sum(all.places), sum(next.places))
	if !reverse {
		records, texts, places = len(t.added), sum(all.texts), sum(all.places)
		if t.prev != nil { // what stayed is in both
			prev := t.prev.tally()
			texts, places = less(texts, sum(prev.texts)), less(places, sum(prev.places))
		}
	}
	return t.size(uint64(records), texts, places) + t.gapsSize(len(t.added)) + t.gapsSize(len(t.removed))
}

// gapsSize returns about how many bytes a list of n ordinals takes.
func (t *typeTransition) gapsSize(n int) uint64 {
	far := 2 * int(t.statistics().max+1) / max(1, n) // twice what it is on average
	return uint64(n) * uint64(1+bits.Len(uint(far))/7)
}

// size returns about how many bytes so many records take whose texts, or elements
// and buckets, are so many.
func (t *typeTransition) size(records, texts, places uint64) uint64 {
	s, kind := t.statistics(), t.next.schema.Kind
	if kind == Object {
		row := uint64(0)
		for _, width := range s.widths {
			row += uint64(width)
		}
		return records*row/8 + texts
	}
	row := uint64(bits.Len64(sum(s.all.places)) + s.sizeBits())
	return records*row/8 + places*uint64(s.elementBits()+s.valueBits(kind))/8
}

func sum(list []uint64) (total uint64) {
	for _, n := range list {
		total += n
	}
	return total
}

// less is a subtraction that stops at 0.
func less(n, by uint64) uint64 { return n - min(n, by) }
