package arena

import (
	"cmp"
	"fmt"
	"slices"
)

// A Place is where a block lies and how long it is.
type Place struct {
	Handle Handle
	Length int
}

// Verify returns an error unless these are all blocks of a: each lies within a
// segment with Pad bytes behind it, no two overlap, and the counts of a are
// theirs. It sorts blocks. It is for tests, which know all blocks of a version.
func (a *Arena) Verify(blocks []Place) error {
	slices.SortFunc(blocks, func(x, y Place) int { return cmp.Compare(x.Handle, y.Handle) })
	live := make([]int64, len(a.segs))
	number, end := 0, 0 // of the block before
	for _, b := range blocks {
		n, at := int(b.Handle>>segmentShift), int(b.Handle&(1<<segmentShift-1))<<unitShift
		switch {
		case n == 0 || n >= len(a.segs) || a.segs[n] == nil:
			return fmt.Errorf("block %#x is in segment %d, which is not held", b.Handle, n)
		case n == number && at < end:
			return fmt.Errorf("block %#x begins at %d, before the end of another, %d", b.Handle, at, end)
		}
		number, end = n, at+roundUp(b.Length)
		if at+b.Length+Pad > len(a.segs[n]) {
			return fmt.Errorf("block %#x ends at %d with less than %d bytes behind it in a segment of %d", b.Handle, at+b.Length, Pad, len(a.segs[n]))
		}
		live[n] += int64(roundUp(b.Length))
	}
	return a.verifyCounts(live)
}

// verifyCounts compares what a counts with live, the bytes of its blocks by
// segment.
func (a *Arena) verifyCounts(live []int64) error {
	var used, held int64
	for n, seg := range a.segs {
		if live[n] != a.live[n] {
			return fmt.Errorf("segment %d has %d bytes of blocks, %d are counted", n, live[n], a.live[n])
		}
		if seg != nil && live[n] == 0 && a.open[New].number != n && a.open[Moved].number != n {
			return fmt.Errorf("segment %d is held without a block", n)
		}
		used += live[n]
		held += int64(len(seg))
	}
	if used != a.used || held != a.held {
		return fmt.Errorf("%d bytes of blocks in %d of segments, %d in %d are counted", used, held, a.used, a.held)
	}
	return nil
}
