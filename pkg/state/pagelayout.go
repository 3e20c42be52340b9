package state

import (
	"math"
	mathbits "math/bits"
	"sync"
	"sync/atomic"

	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
)

// layout describes the bytes of a page; pages of a type share few of them. A
// page has column after column, each behind its base and slope, so that who
// reads one column waits for one line of the cache, or two; they are byte-aligned
// because pageSize is a multiple of 8. Then comes the heap.
//
// OBJECT: one column a field, then the heap of STRING and BYTES values. INT,
// LONG, BOOLEAN and REFERENCE are stored plus one, with 0 for null; FLOAT and
// DOUBLE by their bits. A STRING or BYTES column holds where the value ends in
// the heap; it starts where the value before it ends, in the order field by
// field, then ordinal by ordinal.
//
// LIST, SET and MAP: one column, where a record's entries end, counted in
// entries, and three for the parts of an entry: element (or key), value and
// bucket number. The heap has entry after entry.
type layout struct {
	number     uint16
	collection bool
	cols       []column
	shapes     []shape
	keys       []uint64 // of the shapes
	heap       uint32   // byte offset of the heap or of the entries
	entryBits  uint64   // of a collection's entry
	lastText   int      // the last STRING or BYTES column, or -1
	inOrder    bool     // the heap has record after record
	widths     widths   // of cols
}

// widths are those of the first columns, without null bits, a byte each.
type widths [2]uint64

func (w *widths) set(i, width int) {
	if i < 16 {
		w[i/8] |= uint64(width) << (i % 8 * 8)
	}
}

// cover says whether none is less than in need. It compares bytes below 128 all
// at once: a borrow leaves the highest bit of those that are less.
func (w *widths) cover(need *widths) bool {
	const high = 0x8080808080808080
	return ((w[0]|high)-need[0])&((w[1]|high)-need[1])&high == high
}

// endColumn is a collection's column of ends; those of an entry's parts follow.
const endColumn = 0

type column = bits.Column

// shape is what columns of one layout have in common, besides their places.
type shape struct {
	width, baseBytes, slopeBytes uint8
	kind                         shapeKind
	div                          uint8 // index of divisors
}

type shapeKind uint8

const (
	shapeNumbers shapeKind = iota
	shapeFloats            // all null if it takes no byte
	shapeDoubles
	shapeEnds
	shapeNullEnds // with null bits
	shapeParts    // of the entries of a collection
)

// divisors are what numbers of a column may be multiples of. Numbers that are
// not negative are even, being in zigzag form; of times in milliseconds or
// seconds one often needs only the minutes, hours or days.
var divisors = [...]uint64{1, 2, 2 * 10, 2 * 60, 2 * 100, 2 * 1000, 2 * 3600, 2 * 60_000, 2 * 86_400, 2 * 3_600_000, 2 * 86_400_000}

// inverses say how numbers are divided by divisors without a division (Hacker's Delight,
// second edition, sections 10-16 and 10-17).
var inverses = func() (all [len(divisors)]struct {
	odd   uint64 // the inverse of the divisor's odd part modulo 2^64
	shift uint   // the rest of the divisor is 2 to that
	most  uint64 // the greatest quotient
}) {
	for i, d := range divisors {
		a := &all[i]
		a.shift, a.most = uint(mathbits.TrailingZeros64(d)), math.MaxUint64/d
		odd := d >> a.shift
		a.odd = odd // right in three bits, and in twice as many after each step
		for range 5 {
			a.odd *= 2 - odd*a.odd
		}
	}
	return all
}()

// quotient returns x, which is a multiple of a divisor, divided by it.
func quotient(x uint64, div uint8) uint64 {
	a := &inverses[int(div)%len(inverses)]
	return x >> (a.shift & 63) * a.odd
}

// isMultiple says whether x is a multiple of a divisor.
func isMultiple(x uint64, div uint8) bool {
	a := &inverses[int(div)%len(inverses)]
	return mathbits.RotateLeft64(x*a.odd, -int(a.shift)) <= a.most
}

// commonDivisor divides all divisors from the third on.
const commonDivisor = 20

// A type has few layouts, so that they stay in the cache closest to the
// processor. The first ones have just the shapes that were asked for. Later ones
// are rounded, so that they fit more, and made only when pages have grown too
// much in those that there are. What fits into none gets one with room for all
// that was seen so far, as Hollow has one for a whole type; the last one fits
// everything.
const (
	exactLayouts   = 16
	roundedLayouts = 56
	maxLayouts     = 64
)

// layouts interns the layouts of one type along a chain of versions.
type layouts struct {
	list  layoutList
	count atomic.Int32 // of the list
	mu    sync.Mutex   // of who makes one
	room  []columnRoom // of pages that needed a choice, as far as is known
	spare sync.Pool    // of released pageBuilders

	size, waste atomic.Int64 // bytes of pages at best, and how many more they had
}

// layoutList is layouts by number: what is in it stays. It is as long as no
// number of a layout needs a bounds check.
type layoutList [2 * maxLayouts]*layout

func (l *layoutList) get(number uint16) *layout { return l[int(number)%len(l)] }

// all returns the layouts by number.
func (ls *layouts) all() []*layout { return ls.list[:ls.count.Load()] }

// tolerable is by how many bytes a page may be longer than at best, so that it
// needs no layout of its own.
func tolerable(size int) int { return size / 24 }

// make returns a new layout for plans that no layout of a list takes, or nil if
// there are others by now. A general one has room for all that pages need: the
// caller's are covered by room.
func (ls *layouts) make(list []*layout, plans []columnPlan, general bool, room []columnRoom) *layout {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	n := len(list)
	if len(ls.all()) != n {
		return nil
	}
	if ls.room == nil {
		ls.room = make([]columnRoom, len(plans))
	}
	shapes := make([]shape, len(plans))
	for i := range plans {
		ls.room[i].merge(room[i])
		switch s := &shapes[i]; {
		case n == maxLayouts:
			*s = plans[i].kind.widest()
		case general:
			*s = ls.room[i].shape()
		default:
			if *s = plans[i].shape; n >= exactLayouts {
				s.round()
			}
		}
	}
	l := newLayout(shapes)
	l.number = uint16(n)
	ls.list[n] = l
	ls.count.Store(int32(n + 1))
	return l
}

// widest returns the shape that fits every column of a kind.
func (k shapeKind) widest() shape {
	switch k {
	case shapeEnds, shapeNullEnds:
		return shape{kind: shapeNullEnds, width: 40}
	case shapeParts:
		return shape{kind: k, width: 32}
	}
	return shape{kind: k, width: 64}
}

// round widens a shape to one of few.
func (s *shape) round() {
	if s.baseBytes > 0 && s.baseBytes < 4 {
		s.baseBytes = 4
	}
	if s.slopeBytes > 0 && s.baseBytes+2 <= 8 {
		s.slopeBytes = 2
	}
	if s.width > 2 && s.width < 57 && s.kind != shapeParts { // entries are most of a page: a bit each is too much
		s.width += s.width & 1
	}
}

// columnRoom is what the numbers of all pages need in one column: with their
// widths for plain numbers, and for those less the least of each page.
type columnRoom struct {
	kind          shapeKind
	plain, spread uint8 // without null bits
	baseBytes     uint8
}

// cover adds what the numbers of a plan need.
func (r *columnRoom) cover(p *columnPlan) {
	r.merge(columnRoom{p.kind, widthOf(p.most), widthOf(p.most - p.least), byteLen(p.least)})
}

// merge adds what others need.
func (r *columnRoom) merge(o columnRoom) {
	if r.kind != shapeNullEnds { // which has room for values without nulls, too
		r.kind = o.kind
	}
	r.plain, r.spread, r.baseBytes = max(r.plain, o.plain), max(r.spread, o.spread), max(r.baseBytes, o.baseBytes)
}

// shape returns the shape with the fewest bytes that has the room, and some for
// what comes.
func (r *columnRoom) shape() shape {
	s := shape{kind: r.kind, width: r.plain}
	if r.spread < r.plain && int(r.baseBytes)+2*int(r.spread) < 2*int(r.plain) {
		s.width, s.baseBytes = r.spread, r.baseBytes
	}
	if s.kind == shapeNullEnds {
		s.width++
	}
	switch {
	case s.kind == shapeParts:
		s.width = min(s.width+1, 32)
	case s.kind == shapeFloats, s.kind == shapeDoubles:
		if s.width == 0 && s.baseBytes == 0 { // which is null, and all are zero
			s.width = 1
		}
	case s.width <= 2:
	default:
		if s.width += 2 - s.width&1; s.width > 57 {
			s.width = 64 // see page.packed
		}
	}
	return s
}

// column returns the i'th column, nil if there is none, at which a reader
// panics. Were that a bounds check, it would be a call in each reader.
func (l *layout) column(i int) *column {
	if uint(i) >= uint(len(l.cols)) {
		return nil
	}
	return &l.cols[i]
}

// bytes returns how much of a page the columns take, of a collection with the n
// entries of its records.
func (l *layout) bytes(n int) int {
	sum := int(l.heap)
	if l.collection {
		for _, s := range l.shapes[endColumn+1:] {
			sum += (int(s.width)*n + 7) / 8
		}
	}
	return sum
}

// bytesOf returns how much of a page columns take at best, and the number of
// entries of a collection's records.
func bytesOf(plans []columnPlan) (sum, n int) {
	for i := range plans {
		sum, n = sum+plans[i].bytes(), plans[i].count
	}
	return sum, n
}

// key returns all of a shape in one number. It reads field by field: a processor waits
// where it reads together what was just written part by part.
func (s *shape) key() uint64 {
	return uint64(s.width) | uint64(s.baseBytes)<<8 | uint64(s.slopeBytes)<<16 | uint64(s.kind)<<24 | uint64(s.div)<<32
}

// hashKeys returns a hash of the keys of shapes.
func hashKeys(keys []uint64) (h uint64) {
	for _, k := range keys {
		h ^= k
		h *= 0x9e3779b97f4a7c15 // the golden ratio, odd: Knuth, vol. 3, section 6.4
		h ^= h >> 32
	}
	return h
}

// adopt makes the plans those for the layout, if they fit.
func (l *layout) adopt(plans []columnPlan) bool {
	var room [16]struct{ base, slope uint64 }
	heads := room[:0]
	for i := range plans {
		base, slope, ok := plans[i].in(&l.shapes[i])
		if !ok {
			return false
		}
		heads = append(heads, struct{ base, slope uint64 }{base, slope})
	}
	for i, h := range heads {
		p := &plans[i]
		p.shape, p.base, p.slope = l.shapes[i], h.base, h.slope
	}
	return true
}

func newLayout(shapes []shape) *layout {
	l := &layout{cols: make([]column, len(shapes)), shapes: shapes, lastText: -1, inOrder: true}
	for i, s := range shapes {
		l.cols[i] = s.column(l.heap)
		l.keys = append(l.keys, s.key())
		l.cols[i].Before = bits.NoText
		l.heap += uint32(s.baseBytes + s.slopeBytes)
		if s.kind == shapeParts {
			l.collection = true
			l.cols[i].Bit = l.entryBits
			l.entryBits += uint64(s.width)
			continue
		}
		l.cols[i].Bit = uint64(l.heap) * 8
		l.heap += uint32(s.width) * pageSize / 8
		if s.kind == shapeEnds || s.kind == shapeNullEnds {
			l.cols[i].Before = int32(l.lastText)
			l.inOrder = l.lastText < 0 // else it has field after field
			l.lastText = i
		}
	}
	for i, s := range l.shapes {
		if s.kind == shapeParts {
			l.cols[i].Bit += uint64(l.heap) * 8
		}
		l.widths.set(i, int(s.width)-int(l.cols[i].NullBits))
	}
	return l
}

// column returns the column of a shape, which has its base at byte head.
func (s shape) column(head uint32) column {
	c := column{
		Head: uint64(head), Width: s.width, Mask: bits.Mask(int(s.width)), Div: divisors[s.div],
		BaseBits: 8 * s.baseBytes, SlopeBits: 8 * s.slopeBytes,
		BaseMask: bits.Mask(8 * int(s.baseBytes)), SlopeMask: bits.Mask(8 * int(s.slopeBytes)),
	}
	if s.kind == shapeNullEnds {
		c.NullBits = 1
	}
	if s.width == 0 && s.baseBytes == 0 {
		switch s.kind {
		case shapeFloats:
			c.Add = nullFloat
		case shapeDoubles:
			c.Add = nullDouble
		}
	}
	return c
}
