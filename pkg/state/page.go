package state

import (
	"sync"

	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
)

// A page holds pageSize consecutive ordinals of one type in columns; a chunk
// holds the page-table entries of chunkPages pages, and the bits that say which
// of their ordinals are populated are kept apart, so that a removal copies no
// page and no chunk.
const (
	pageShift     = 4
	pageSize      = 1 << pageShift
	chunkPages    = 64
	chunkOrdinals = pageSize * chunkPages
)

// MaxOrdinal is the greatest ordinal that Hollow's format can name.
const MaxOrdinal = 1<<29 - 1

// page is a page-table entry: where the bytes are and how to read them. A page
// is immutable once it is in a table. The zero page has no records.
type page struct {
	lay  *layout
	data []byte
}

type chunk struct{ pages [chunkPages]page }

// liveBlock says which ordinals of one chunk are populated.
type liveBlock [chunkOrdinals / 64]uint64

// column is where one field of a page's records lies: pageSize numbers of
// width bits, from byte off. Columns are byte-aligned because pageSize is a
// multiple of 8.
type column struct {
	off   uint32
	width uint8
	nulls bool // STRING and BYTES: the lowest bit of each number says null
}

// layout describes the bytes of a page; pages of a type share few of them.
//
// OBJECT: one column a field, then the heap of STRING and BYTES values. INT,
// LONG, BOOLEAN and REFERENCE are stored plus one, with 0 for null; FLOAT and
// DOUBLE by their bits. A STRING or BYTES column holds where the value ends in
// the heap; it starts where the value before it ends, in the order field by
// field, then ordinal by ordinal.
//
// LIST, SET and MAP: one column, where a record's entries end, counted in
// entries, then the entries: element (or key), value and bucket number, each in
// the width of parts.
type layout struct {
	cols  []column
	parts [3]uint8 // entry widths: element, value, bucket
	heap  uint32   // byte offset of the heap or of the entries
}

func (l *layout) entryBits() uint64 {
	return uint64(l.parts[0]) + uint64(l.parts[1]) + uint64(l.parts[2])
}

// at returns column c's number for the i'th record of a page.
func (p page) at(c, i int) uint64 {
	col := p.lay.cols[c]
	return bits.Load(p.data, uint64(col.off)*8+uint64(i)*uint64(col.width), int(col.width))
}

// span returns the heap bytes of the i'th value of the STRING or BYTES column
// c, and whether it is null.
func (p page) span(c, prev, i int) (value []byte, null bool) {
	end, null := p.end(c, i)
	var start uint64
	switch {
	case i > 0:
		start, _ = p.end(c, i-1)
	case prev >= 0:
		start, _ = p.end(prev, pageSize-1)
	}
	heap := p.data[p.lay.heap:]
	return heap[start:end:end], null
}

func (p page) end(c, i int) (end uint64, null bool) {
	x := p.at(c, i)
	if p.lay.cols[c].nulls {
		return x >> 1, x&1 != 0
	}
	return x, false
}

// entries returns the index of the first entry of the i'th collection and the
// index after its last.
func (p page) entries(i int) (start, end uint64) {
	if i > 0 {
		start = p.at(0, i-1)
	}
	return start, p.at(0, i)
}

// entry returns part k (0 element or key, 1 value, 2 bucket) of entry e.
func (p page) entry(e uint64, k int) uint64 {
	pos := uint64(p.lay.heap)*8 + e*p.lay.entryBits()
	for j := range k {
		pos += uint64(p.lay.parts[j])
	}
	return bits.Load(p.data, pos, int(p.lay.parts[k]))
}

// maxLayouts bounds the layouts of a type before widths are rounded up.
const maxLayouts = 64

// layouts interns the layouts of one type along a chain of versions.
type layouts struct {
	mu     sync.Mutex
	byText map[string]*layout
}

func (ls *layouts) intern(widths []uint8, nulls []bool, parts [3]uint8) *layout {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if l := ls.byText[layoutKey(widths, nulls, parts)]; l != nil {
		return l
	}
	if len(ls.byText) >= maxLayouts {
		for i, w := range widths {
			widths[i] = roundWidth(w)
		}
		for i, w := range parts {
			parts[i] = roundWidth(w)
		}
	}
	key := layoutKey(widths, nulls, parts)
	l := ls.byText[key]
	if l == nil {
		l = newLayout(widths, nulls, parts)
		if ls.byText == nil {
			ls.byText = map[string]*layout{}
		}
		ls.byText[key] = l
	}
	return l
}

func roundWidth(w uint8) uint8 {
	for _, class := range [...]uint8{0, 1, 2, 4, 8, 12, 16, 20, 24, 32, 40, 48} {
		if w <= class {
			return class
		}
	}
	return 64
}

func layoutKey(widths []uint8, nulls []bool, parts [3]uint8) string {
	key := make([]byte, 0, 2*len(widths)+len(parts))
	for i, w := range widths {
		n := byte(0)
		if nulls[i] {
			n = 1
		}
		key = append(key, w, n)
	}
	return string(append(key, parts[:]...))
}

func newLayout(widths []uint8, nulls []bool, parts [3]uint8) *layout {
	l := &layout{cols: make([]column, len(widths)), parts: parts}
	for i, w := range widths {
		l.cols[i] = column{off: l.heap, width: w, nulls: nulls[i]}
		l.heap += uint32(w) * pageSize / 8
	}
	return l
}
