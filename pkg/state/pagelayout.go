package state

import (
	"errors"
	"slices"
	"sync"

	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
)

// layout describes the bytes of a page; pages of a type share few of them. A
// page begins with the bases and slopes of its columns, then come the columns,
// byte-aligned because pageSize is a multiple of 8, then the heap.
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
	heap       uint32 // byte offset of the heap or of the entries
	entryBits  uint64 // of a collection's entry
	lastText   int    // the last STRING or BYTES column, or -1
}

// endColumn is a collection's column of ends; those of an entry's parts follow.
const endColumn = 0

// column is where one field of a page's records lies: the i'th number is
// base + i*slope + div*(the i'th number of width bits). Frames of reference, as
// they are called (Goldstein, Ramakrishnan and Shaft, 1998), cost a look-up
// little, because the base lies in the page itself.
type column struct {
	bit, width, mask uint64 // where the first number lies, in bits, and how wide they are
	div              uint64
	add              uint64 // the number, if it is the same in every such page

	baseMask, slopeMask   uint64
	head                  uint32 // of base and slope, in bytes
	headBytes, slopeShift uint8
	nullBits              uint8 // 1 if the lowest bit of each number of a STRING or BYTES column says null, else 0
}

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

// commonDivisor divides all divisors from the third on.
const commonDivisor = 20

// Limits of a type's layouts. Up to the first, shapes are exact; up to the
// second, widths are rounded up; then all columns are as wide as can be.
const (
	exactLayouts = 64
	maxLayouts   = 4096
)

// errLayouts says that a page must do without bases and narrow columns.
var errLayouts = errors.New("too many layouts")

// layouts interns the layouts of one type along a chain of versions.
type layouts struct {
	mu    sync.Mutex
	byKey map[string]*layout
	list  []*layout // by number
}

// all returns the layouts by number.
func (ls *layouts) all() []*layout {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.list[:len(ls.list):len(ls.list)]
}

// intern returns the layout of these shapes, or one that is a little wider. It
// fails with errLayouts if there are too many already, unless wide is set,
// which says that the shapes are the widest.
func (ls *layouts) intern(shapes []shape, wide bool) (*layout, error) {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	var room [128]byte
	key := appendShapes(room[:0], shapes)
	if l := ls.byKey[string(key)]; l != nil {
		return l, nil
	}
	if len(ls.list) >= exactLayouts && !wide {
		for i := range shapes {
			shapes[i].round()
		}
		key = appendShapes(key[:0], shapes)
		if l := ls.byKey[string(key)]; l != nil {
			return l, nil
		}
		if len(ls.list) >= maxLayouts {
			return nil, errLayouts
		}
	}
	l := newLayout(shapes)
	l.number = uint16(len(ls.list))
	if ls.byKey == nil {
		ls.byKey = map[string]*layout{}
	}
	ls.byKey[string(key)] = l
	ls.list = append(ls.list, l)
	return l, nil
}

func appendShapes(key []byte, shapes []shape) []byte {
	for _, s := range shapes {
		key = append(key, s.width, s.baseBytes, s.slopeBytes, byte(s.kind), s.div)
	}
	return key
}

// round widens a shape to one of few.
func (s *shape) round() {
	widths, bases, slopes := [...]uint8{0, 1, 2, 4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 64}, [...]uint8{0, 4, 8}, [...]uint8{0, 2}
	if s.slopeBytes > 0 {
		bases[2] = 6
	}
	s.width, s.baseBytes, s.slopeBytes = atLeast(widths[:], s.width), atLeast(bases[:], s.baseBytes), atLeast(slopes[:], s.slopeBytes)
}

// atLeast returns the first of ascending classes that is not less than x.
func atLeast(classes []uint8, x uint8) uint8 {
	i, _ := slices.BinarySearch(classes, x)
	return classes[i]
}

func newLayout(shapes []shape) *layout {
	l := &layout{cols: make([]column, len(shapes)), lastText: -1}
	for i, s := range shapes {
		l.cols[i] = s.column(l.heap)
		l.heap += uint32(l.cols[i].headBytes)
	}
	for i, s := range shapes {
		if s.kind == shapeParts {
			l.collection = true
			l.cols[i].bit = l.entryBits
			l.entryBits += uint64(s.width)
			continue
		}
		l.cols[i].bit = uint64(l.heap) * 8
		l.heap += uint32(s.width) * pageSize / 8
		if s.kind == shapeEnds || s.kind == shapeNullEnds {
			l.lastText = i
		}
	}
	for i, s := range shapes {
		if s.kind == shapeParts {
			l.cols[i].bit += uint64(l.heap) * 8
		}
	}
	return l
}

// column returns the column of a shape, which has its base at byte head.
func (s shape) column(head uint32) column {
	c := column{
		head: head, headBytes: s.baseBytes + s.slopeBytes, width: uint64(s.width), mask: bits.Mask(int(s.width)),
		div:        divisors[s.div],
		slopeShift: 8 * s.baseBytes,
		baseMask:   1<<(8*uint(s.baseBytes)) - 1, slopeMask: 1<<(8*uint(s.slopeBytes)) - 1,
	}
	if s.kind == shapeNullEnds {
		c.nullBits = 1
	}
	if s.width == 0 && s.baseBytes == 0 {
		switch s.kind {
		case shapeFloats:
			c.add = nullFloat
		case shapeDoubles:
			c.add = nullDouble
		}
	}
	return c
}
