package bits

// An Expansion says what the numbers of a column stand for: number x at place i
// for Base + i*Slope + Unit*x. Whoever expands many columns keeps one and sets
// its fields: the processor waits for what was copied as a whole just before.
type Expansion struct {
	Mask        uint64 // has the bits of a number
	Unit        uint64 // less than 1<<32
	Base, Slope uint64 // Slope is less than 1<<32
}

// Expand sets dst to what the column of w bits at byte at of the page stands
// for, w in [0, 57] or 64.
func (p Page) Expand(dst *[ColumnLen]uint64, at uint64, w int, e *Expansion) {
	if canExpand(w) {
		expand(dst, p.Byte(at), &lanesOf[w], w, e)
		return
	}
	p.expandSlowly(dst, at, w, e)
}

// expandSlowly is Expand of any width on any processor.
func (p Page) expandSlowly(dst *[ColumnLen]uint64, at uint64, w int, e *Expansion) {
	pos, base := at*8, e.Base
	for k := range dst {
		dst[k] = p.Load(pos, e.Mask)*e.Unit + base
		pos += uint64(w)
		base += e.Slope
	}
}
