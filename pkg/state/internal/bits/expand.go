package bits

// An Expansion says what the numbers of a column stand for: number x at place i
// for Base + i*Slope + Unit*x. Whoever expands many columns keeps one and sets
// its fields: the processor waits for what was copied as a whole just before.
type Expansion struct {
	Mask        uint64 // has the bits of a number
	Unit        uint64 // less than 1<<32
	Base, Slope uint64 // Slope is less than 1<<32
	Null        uint64 // what stands for no value
}

// Expand sets dst to what the column of w bits at byte at of the page stands
// for, w in [0, 57] or 64, and returns a bit for each place that is null.
func (p Page) Expand(dst *[ColumnLen]uint64, at uint64, w int, e *Expansion) (nulls uint16) {
	if canExpand(w) {
		return expand(dst, p.Byte(at), &lanesOf[w], w, e)
	}
	return p.expandSlowly(dst, at, w, e)
}

// expandSlowly is Expand of any width on any processor.
func (p Page) expandSlowly(dst *[ColumnLen]uint64, at uint64, w int, e *Expansion) (nulls uint16) {
	pos, base := at*8, e.Base
	for k := range dst {
		x := p.Load(pos, e.Mask)*e.Unit + base
		pos += uint64(w)
		base += e.Slope
		dst[k] = x
		if x == e.Null {
			nulls |= 1 << k
		}
	}
	return nulls
}

// UnZigZag sets dst, which is as long as src, to the signed numbers whose zigzag
// forms, plus one, are in src.
func UnZigZag(dst []int64, src []uint64) {
	n := 0
	if hasVectors && len(src) >= 4 {
		n = len(src) &^ 3
		unZigZag(&dst[:n][0], &src[0], n)
	}
	for i, x := range src[n:] {
		x--
		dst[n+i] = int64(x>>1) ^ -int64(x&1)
	}
}
