package bits

import "unsafe"

// ExpandSlowly is Expand as processors without vectors do it.
func (p Page) ExpandSlowly(dst *[ColumnLen]uint64, at uint64, w int, e *Expansion) {
	p.expandSlowly(dst, at, w, e)
}

// ExpandColumnSlowly is ExpandColumns of a page as processors without vectors do
// it.
func ExpandColumnSlowly(dst *[ColumnLen]uint64, p Page, c *Column, null uint64, signed bool) uint16 {
	return expandColumnSlowly(dst, p, c, null, signed)
}

// UnpackSlowly is Unpack as processors without vectors do it.
func (s *Sources) UnpackSlowly(dst []uint32, runs []Run) { s.unpackSlowly(dst, runs) }

// SpanSlowly is Span as processors without vectors do it.
func SpanSlowly(list []uint32) (least, most uint32) { return spanSlowly(list) }

// Numbers returns the numbers in b, in the same memory.
func Numbers(b []byte) []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/4)
}

// GatherSlowly is Gather as processors without vectors do it.
func (a Words) GatherSlowly(dst, rows []uint64, step, start uint64, w int) {
	a.gatherSlowly(dst, rows, step, start, w)
}

// TurnSlowly is what Window does as processors without vectors do it.
func TurnSlowly(dst, src []byte) { turnSlowly(dst, src) }

// Memory returns the words of a.
func (a Words) Memory() []byte { return a.data }

// CompactSlowly is CompactTable as processors without vectors do it.
func CompactSlowly(dst *Entries, to int, table *Entries, from, n int, empty uint32) int {
	return compactSlowly(dst, to, table, from, n, empty)
}

// PackSlowly is Pack as processors without vectors do it.
func PackSlowly(dst []byte, w int, values *[ColumnLen]uint64, base, slope uint64) {
	packSlowly(dst, w, values, base, slope)
}

// WriteSlowly is WriteEntries as processors without vectors do it.
func (p *Writer) WriteSlowly(lists *[entryParts][]uint32, e *Entry) { p.writeSlowly(lists, 0, e) }

// ExtentSlowly is Extent as processors without vectors do it.
func ExtentSlowly(values *[ColumnLen]uint64, slope uint64, signed bool) (least, most uint64, odd bool) {
	return extentSlowly(values, slope, signed)
}

// DealSlowly is Deal as processors without vectors do it.
func (a Words) DealSlowly(dst []uint64, each int, first uint64, n int, step, start uint64, w int, add uint64) {
	a.dealSlowly(dst, each, first, n, step, start, w, add)
}

// ConcatSlowly is Concat as processors without vectors do it.
func ConcatSlowly(dst []byte, values *[ColumnLen][]byte) int { return concatSlowly(dst, values) }
