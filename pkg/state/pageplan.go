package state

import (
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
	return int(min(own, widthOf((p.most-p.least)/divisors[p.div])))
}

// in returns base and slope of the same numbers in a column of shape s; ok is
// false if they do not fit.
func (p *columnPlan) in(s shape) (base, slope uint64, ok bool) {
	if s == p.shape {
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
	div := divisors[s.div]
	if base < p.least || p.most > p.least && divisors[p.div]%div != 0 {
		return 0, 0, false
	}
	return base, 0, room >= int(widthOf((p.most-base)/div))
}

// planNumbers decides how the numbers in the slots of set are stored: in the
// way that takes the fewest bytes of plain, less a base, less a base and a
// multiple of the slot, and less a base as a multiple of a divisor.
func planNumbers(t FieldType, nums *[pageSize]uint64, set uint16) columnPlan {
	kind := shapeNumbers
	switch t {
	case Float:
		kind = shapeFloats
	case Double:
		kind = shapeDoubles
	}
	if set == 0 {
		return columnPlan{shape: shape{kind: kind}, count: pageSize}
	}
	least, most, odd := span(nums, set)
	if null := nullBits(t); least == null && most == null {
		return columnPlan{shape: shape{kind: kind}, least: least, most: most, count: pageSize}
	}
	best := planBase(kind, least, most)
	if kind != shapeNumbers || best.width <= 1 {
		return best
	}
	if !odd {
		if p := planDivisor(nums, set, least, most); p.bytes() < best.bytes() {
			best = p
		}
	}
	if p, ok := planSlope(kind, nums, set); ok && p.bytes() < best.bytes() {
		p.least, p.most = least, most
		best = p
	}
	return best
}

// span returns the least and the greatest of the numbers in the slots of set,
// which is not empty, and whether an odd number is between any two.
func span(nums *[pageSize]uint64, set uint16) (least, most uint64, odd bool) {
	first := nums[mathbits.TrailingZeros16(set)]
	least, most = first, first
	var differ uint64
	if set == 1<<pageSize-1 {
		for _, x := range nums {
			least, most = min(least, x), max(most, x)
			differ |= x ^ first
		}
		return least, most, differ&1 != 0
	}
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

// planBase stores numbers from least to most plain or less the least. FLOAT and
// DOUBLE columns that take no byte are null, so 0 has its width, too.
func planBase(kind shapeKind, least, most uint64) columnPlan {
	plain := columnPlan{least: least, most: most, count: pageSize, shape: shape{kind: kind, width: widthOf(most)}}
	if most == 0 && (kind == shapeFloats || kind == shapeDoubles) {
		plain.width = 1
	}
	based := plain
	based.base, based.width, based.baseBytes = least, widthOf(most-least), byteLen(least)
	if based.bytes() < plain.bytes() && least > 0 {
		return based
	}
	return plain
}

// planDivisor stores numbers less the least in units of the greatest divisor
// that they allow; no two of them are an odd number apart.
func planDivisor(nums *[pageSize]uint64, set uint16, least, most uint64) columnPlan {
	p := columnPlan{base: least, least: least, most: most, count: pageSize, shape: shape{
		kind: shapeNumbers, div: 1, baseBytes: byteLen(least), width: widthOf((most - least) / 2),
	}}
	if (most-least)%commonDivisor != 0 {
		return p
	}
	for d := len(divisors) - 1; d > 1; d-- {
		if div := divisors[d]; most-least >= div && allMultiples(nums, set, least, div) {
			p.div, p.width = uint8(d), widthOf((most-least)/div)
			break
		}
	}
	return p
}

func allMultiples(nums *[pageSize]uint64, set uint16, least, div uint64) bool {
	for m := set; m != 0; m &= m - 1 {
		if (nums[mathbits.TrailingZeros16(m)]-least)%div != 0 {
			return false
		}
	}
	return true
}

// planSlope stores how far numbers are from a line through the first and the
// last, for ordinals and keys that run with the record's own.
func planSlope(kind shapeKind, nums *[pageSize]uint64, set uint16) (columnPlan, bool) {
	first, last := mathbits.TrailingZeros16(set), 15-mathbits.LeadingZeros16(set)
	if first == last || nums[last] <= nums[first] {
		return columnPlan{}, false
	}
	slope := (nums[last] - nums[first]) / uint64(last-first)
	if slope == 0 || slope >= 1<<16 || nums[first] < uint64(first)*slope {
		return columnPlan{}, false
	}
	if mid := (first + last) / 2; set>>mid&1 != 0 { // most columns have no slope, and show it
		line, half := nums[first]+uint64(mid-first)*slope, (nums[last]-nums[first])/2
		if nums[mid] > line+half || nums[mid]+half < line {
			return columnPlan{}, false
		}
	}
	least, most := nums[first]-uint64(first)*slope, uint64(0)
	for m := set; m != 0; m &= m - 1 {
		i := mathbits.TrailingZeros16(m)
		if nums[i] < uint64(i)*slope {
			return columnPlan{}, false
		}
		x := nums[i] - uint64(i)*slope
		least, most = min(least, x), max(most, x)
	}
	p := columnPlan{base: least, slope: slope, count: pageSize, shape: shape{
		kind: kind, width: widthOf(most - least), baseBytes: byteLen(least), slopeBytes: byteLen(slope),
	}}
	return p, p.baseBytes+p.slopeBytes <= 8 // one load reads both
}

// planTexts decides how the ends of a field's values are stored, which lie in
// the heap from *end on, and moves *end behind them.
func (b *pageBuilder) planTexts(f int, end *uint64) columnPlan {
	t := &b.texts[f]
	kind := shapeEnds
	if t.nulls != 0 {
		kind = shapeNullEnds
	}
	var ends [pageSize]uint64
	for i := range ends {
		*end += uint64(t.end[i] - t.start[i])
		ends[i] = *end
	}
	p := planEnds(kind, &ends)
	if kind == shapeNullEnds {
		p.width++
	}
	return p
}

func planEnds(kind shapeKind, ends *[pageSize]uint64) columnPlan {
	const all = 1<<pageSize - 1
	best := planBase(kind, ends[0], ends[pageSize-1])
	if p, ok := planSlope(kind, ends, all); ok && p.bytes() < best.bytes() {
		p.least, p.most = best.least, best.most
		best = p
	}
	return best
}

// planPart decides how one part of n entries is stored.
func planPart(n, least, most uint64) columnPlan {
	plain := columnPlan{least: least, most: most, count: int(n), shape: shape{kind: shapeParts, width: widthOf(most)}}
	based := plain
	based.base, based.width, based.baseBytes = least, widthOf(most-least), byteLen(least)
	if based.bytes() < plain.bytes() {
		return based
	}
	return plain
}
