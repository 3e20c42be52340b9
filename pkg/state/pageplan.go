package state

import (
	"math"
	mathbits "math/bits"

	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
)

// columnPlan is how a column is stored, and what decides about it.
type columnPlan struct {
	shape
	base, slope uint64
	least, most uint64
	count       int // of the numbers
}

// bytes returns how much of a page the column takes.
func (p *columnPlan) bytes() int {
	return int(p.baseBytes) + int(p.slopeBytes) + (int(p.width)*p.count+7)/8
}

// leastWidth returns the width, without a null bit, below which no shape fits.
func (p *columnPlan) leastWidth() int {
	own := p.width
	if p.kind == shapeNullEnds {
		own--
	}
	return int(min(own, widthOf(quotient(p.most-p.least, p.div))))
}

// in returns base and slope of the same numbers in a column of shape s; ok is
// false if they do not fit.
func (p *columnPlan) in(s *shape) (base, slope uint64, ok bool) {
	if s.key() == p.key() {
		return p.base, p.slope, true
	}
	room, own := int(s.width), int(p.width) // for numbers without null bits
	switch {
	case s.kind == shapeNullEnds && p.kind == shapeEnds:
		room--
	case s.kind != p.kind:
		return 0, 0, false
	case s.kind == shapeNullEnds:
		room, own = room-1, own-1
	}
	if s.slopeBytes > 0 && p.slope > 0 {
		return p.base, p.slope, s.baseBytes >= p.baseBytes && s.slopeBytes >= p.slopeBytes && room >= own
	}
	if s.width == 0 && s.baseBytes == 0 && (s.kind == shapeFloats || s.kind == shapeDoubles) {
		return 0, 0, false // a constant: null
	}
	if s.baseBytes >= byteLen(p.least) {
		base = p.least
	}
	if s.div == 0 {
		return base, 0, room >= int(widthOf(p.most-base))
	}
	if base < p.least || p.most > p.least && !isMultiple(divisors[p.div], s.div) {
		return 0, 0, false
	}
	return base, 0, room >= int(widthOf(quotient(p.most-base, s.div)))
}

// setNumbers decides how the numbers in the slots of set are stored: in the way
// that takes the fewest bytes of plain, less a base, less a base and a multiple of
// the slot, and less a base as a multiple of a divisor.
func (p *columnPlan) setNumbers(t FieldType, nums *[pageSize]uint64, set uint16) {
	kind := shapeNumbers
	switch t {
	case Float:
		kind = shapeFloats
	case Double:
		kind = shapeDoubles
	}
	if set == 0 {
		p.set(kind, 0, 0, pageSize)
		return
	}
	least, most, odd := span(nums, set)
	if null := nullBits(t); least == null && most == null {
		p.set(kind, least, most, pageSize)
		p.width = 0
		return
	}
	p.setRange(kind, least, most)
	if kind != shapeNumbers || p.width <= 1 {
		return
	}
	if !odd {
		p.tryDivisor(nums, set)
	}
	p.trySlope(nums, set)
}

// span returns the least and the greatest of the numbers in the slots of set,
// which is not empty, and whether an odd number is between any two.
func span(nums *[pageSize]uint64, set uint16) (least, most uint64, odd bool) {
	if set == allSlots {
		return bits.Extent(nums, 0, false)
	}
	first := nums[mathbits.TrailingZeros16(set)]
	least, most = first, first
	var differ uint64
	for ; set != 0; set &= set - 1 {
		x := nums[mathbits.TrailingZeros16(set)]
		least, most = min(least, x), max(most, x)
		differ |= x ^ first
	}
	return least, most, differ&1 != 0
}

// widthOf returns the width of a column of numbers up to x.
func widthOf(x uint64) uint8 {
	if w := uint8(bits.Len(x)); w <= 57 {
		return w
	}
	return 64 // see page.packed
}

func byteLen(x uint64) uint8 { return uint8(bits.Len(x)+7) / 8 }

// setRange stores numbers from least to most plain or less the least. FLOAT and
// DOUBLE columns that take no byte are null, so 0 has its width, too.
func (p *columnPlan) setRange(kind shapeKind, least, most uint64) {
	p.set(kind, least, most, pageSize)
	if most == 0 && (kind == shapeFloats || kind == shapeDoubles) {
		p.width = 1
	}
	p.tryBase()
}

// set stores some numbers from least to most plain. It sets field by field: a plan that
// is made and copied waits for its bytes to be written.
func (p *columnPlan) set(kind shapeKind, least, most uint64, count int) {
	p.kind, p.width, p.baseBytes, p.slopeBytes, p.div = kind, widthOf(most), 0, 0, 0
	p.base, p.slope, p.least, p.most, p.count = 0, 0, least, most, count
}

// tryBase stores numbers less the least, if that takes fewer bytes.
func (p *columnPlan) tryBase() {
	if p.least == 0 {
		return
	}
	base, width := byteLen(p.least), widthOf(p.most-p.least)
	if int(base)+(int(width)*p.count+7)/8 < p.bytes() {
		p.base, p.baseBytes, p.width = p.least, base, width
	}
}

// tryDivisor stores numbers less the least in units of the greatest divisor that
// they allow, if that takes fewer bytes; no two of them are an odd number apart.
func (p *columnPlan) tryDivisor(nums *[pageSize]uint64, set uint16) {
	most := p.most - p.least
	unit := 1
	if most%commonDivisor == 0 {
		for d := len(divisors) - 1; d > 1; d-- {
			if most >= divisors[d] && isMultiple(most, uint8(d)) && allMultiples(nums, set, p.least, uint8(d)) {
				unit = d
				break
			}
		}
	}
	base, width := byteLen(p.least), widthOf(quotient(most, uint8(unit)))
	if int(base)+int(width)*pageSize/8 < p.bytes() {
		p.base, p.baseBytes, p.width, p.div = p.least, base, width, uint8(unit)
	}
}

func allMultiples(nums *[pageSize]uint64, set uint16, least uint64, div uint8) bool {
	for m := set; m != 0; m &= m - 1 {
		if !isMultiple(nums[mathbits.TrailingZeros16(m)]-least, div) {
			return false
		}
	}
	return true
}

// trySlope stores how far numbers are from a line through the first and the last,
// for ordinals and keys that run with the record's own, if that takes fewer bytes.
func (p *columnPlan) trySlope(nums *[pageSize]uint64, set uint16) {
	first, last := mathbits.TrailingZeros16(set), 15-mathbits.LeadingZeros16(set)
	if first == last || nums[last] <= nums[first] {
		return
	}
	slope := nums[last] - nums[first]
	if last-first == pageSize-1 {
		slope /= pageSize - 1 // which takes no division
	} else {
		slope /= uint64(last - first)
	}
	if slope == 0 || slope >= 1<<16 || nums[first] < uint64(first)*slope {
		return
	}
	if mid := (first + last) / 2; set>>mid&1 != 0 { // most columns have no slope, and show it
		line, half := nums[first]+uint64(mid-first)*slope, (nums[last]-nums[first])/2
		if nums[mid] > line+half || nums[mid]+half < line {
			return
		}
	}
	least, most, ok := aboveLine(nums, set, slope)
	if !ok {
		return
	}
	s := shape{kind: p.kind, width: widthOf(most - least), baseBytes: byteLen(least), slopeBytes: byteLen(slope)}
	head := int(s.baseBytes) + int(s.slopeBytes)
	if head <= 8 && head+int(s.width)*pageSize/8 < p.bytes() { // one load reads both
		p.shape, p.base, p.slope = s, least, slope
	}
}

// aboveLine returns by how much the numbers in the slots of set, which is not
// empty, are above slope times the slot, at least and at most; ok is false if one is
// below, or above by 2^63 or more.
func aboveLine(nums *[pageSize]uint64, set uint16, slope uint64) (least, most uint64, ok bool) {
	if set == allSlots {
		least, most, _ = bits.Extent(nums, slope, true)
		return least, most, int64(least) >= 0
	}
	low, high := int64(math.MaxInt64), int64(math.MinInt64)
	for ; set != 0; set &= set - 1 {
		i := mathbits.TrailingZeros16(set)
		above := int64(nums[i] - uint64(i)*slope)
		low, high = min(low, above), max(high, above)
	}
	return uint64(low), uint64(high), low >= 0
}

// planTexts decides how the ends of a field's values are stored, which lie in
// the heap from *end on, and moves *end behind them.
func (b *pageBuilder) planTexts(f int, end *uint64) {
	t := &b.texts[f]
	var ends [pageSize]uint64
	for i := range ends {
		*end += uint64(len(t.values[i]))
		ends[i] = *end
	}
	p := &b.plans[f]
	if t.nulls == 0 {
		p.setEnds(shapeEnds, &ends)
		return
	}
	p.setEnds(shapeNullEnds, &ends)
	p.width++
}

// setEnds decides how ends are stored, which ascend.
func (p *columnPlan) setEnds(kind shapeKind, ends *[pageSize]uint64) {
	p.setRange(kind, ends[0], ends[pageSize-1])
	p.trySlope(ends, allSlots)
}

// setPart decides how one part of n entries is stored.
func (p *columnPlan) setPart(n, least, most uint64) {
	p.set(shapeParts, least, most, int(n))
	p.tryBase()
}
