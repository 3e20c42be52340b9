package state

import (
	"github.com/holdfast-data/holdfast/pkg/state/internal/arena"
	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
)

// A page holds pageSize consecutive ordinals of one type in columns; a chunk
// holds the page-table entries of chunkPages pages. An entry says where the
// page is, how it is laid out and which of its ordinals are populated, so that
// a removal copies no page, and a look-up needs two cache misses: the entry and
// the record.
const (
	pageShift     = 4
	pageSize      = 1 << pageShift
	chunkShift    = 9
	chunkOrdinals = 1 << chunkShift
	chunkPages    = chunkOrdinals / pageSize
)

var _ = [bits.ColumnLen - pageSize]struct{}{} // a column is a page's

// MaxOrdinal is the greatest ordinal that Hollow's format can name.
const MaxOrdinal = 1<<29 - 1

// entry is a page-table entry: the handle of the page in the upper 32 bits, the
// number of its layout in the next 16, and a bit for each populated ordinal. It
// is 0 exactly if no ordinal is populated, and there is no page then.
type entry uint64

func makeEntry(h arena.Handle, layout uint16, live uint16) entry {
	return entry(h)<<32 | entry(layout)<<16 | entry(live)
}

func (e entry) handle() arena.Handle { return arena.Handle(e >> 32) }
func (e entry) layout() uint16       { return uint16(e >> 16) }
func (e entry) live() uint16         { return uint16(e) }

type chunk [chunkPages]entry

// page is the bytes of a page and how to read them. It is immutable.
type page struct {
	lay  *layout
	data bits.Page
}

// packed returns the i'th packed number of column c: one word has all of it,
// because no column is 58 to 63 bits wide.
func (p page) packed(c *column, i int) uint64 {
	return p.data.Load(c.At(uint64(i)), c.Mask)
}

// at returns column c's number for the i'th record of a page.
func (p page) at(c *column, i int) uint64 {
	return c.Number(p.data.Word(c.At(uint64(i))>>3), p.data.Word(c.Head), uint64(i))
}

// offset returns what is added to the i'th packed number of a column.
func (p page) offset(c *column, i int) uint64 {
	base, slope := p.head(c)
	return base + slope*uint64(i)
}

// head returns the base and the slope of a column.
func (p page) head(c *column) (base, slope uint64) {
	h := p.data.Word(c.Head)
	return c.Add + h&c.BaseMask, h >> (c.BaseBits & 63) & c.SlopeMask
}

// end returns where the i'th value of a STRING or BYTES column ends in the
// heap, and whether it is null.
func (p page) end(c *column, i int) (end uint64, null bool) {
	x := p.packed(c, i)
	return x>>(c.NullBits&63) + p.offset(c, i), x&uint64(c.NullBits) != 0
}

// span returns the heap bytes of the i'th value of the STRING or BYTES column
// f, and whether it is null.
func (p page) span(f, i int) (value []byte, null bool) {
	from, to, null := ends(p.lay, p.data, Ordinal(i), f)
	return p.data.Bytes(from, to), null
}

// ends returns where the value of field f begins in a record's page, and where it
// ends. It is to texts what number is to numbers.
func ends(lay *layout, data bits.Page, o Ordinal, f int) (from, to uint64, null bool) {
	c, i := lay.column(f), uint64(uint32(o)%pageSize)
	if c.Before == bits.NoText {
		return 0, 0, true // the caller's mistake: no other number says where a text is
	}
	head, at := data.Word(c.Head), c.At(i)
	base, slope := head&c.BaseMask, head>>(c.BaseBits&63)&c.SlopeMask
	shift, packed := c.NullBits&63, data.Load(at, c.Mask)
	end := base + slope*i
	// It begins where the one before it ends, which of the first one is in another
	// column, or 0. To a processor, that would be a guess: first is all ones, or 0.
	first := uint64(int64(i-1) >> 63)
	start := (data.Load(at-uint64(c.Width)&^first, c.Mask)>>shift + end - slope) &^ first
	if c.Before >= 0 && i == 0 {
		c, i = lay.column(int(c.Before)), pageSize-1
		head = data.Word(c.Head)
		start = data.Load(c.At(i), c.Mask)>>(c.NullBits&63) + head&c.BaseMask + head>>(c.BaseBits&63)&c.SlopeMask*i
	}
	heap := uint64(lay.heap)
	return heap + start, heap + end + packed>>shift, packed>>shift<<shift != packed
}

// slotBefore returns i-1, but 0 for 0, and a number whose bits are all ones for 0
// and zeros else. To a processor, i > 0 would be a guess.
func slotBefore(i int) (before, first uint64) {
	first = uint64(int64(i-1) >> 63)
	return uint64(i-1) &^ first, first
}

// start returns the index of the first entry of the i'th collection. A column of
// ends has no divisor.
func (p page) start(i int) uint64 {
	c := &p.lay.cols[endColumn]
	before, first := slotBefore(i)
	return (p.packed(c, int(before)) + p.offset(c, int(before))) &^ first
}

// entries returns the index of the first entry of the i'th collection and the
// index after its last.
func (p page) entries(i int) (start, end uint64) {
	c := &p.lay.cols[endColumn]
	base, slope := p.head(c)
	before, first := slotBefore(i)
	start = (p.packed(c, int(before)) + base + slope*before) &^ first
	return start, p.packed(c, i) + base + slope*uint64(i)
}

// entry returns part k (0 element or key, 1 value, 2 bucket) of entry e.
func (p page) entry(e uint64, k int) uint64 {
	c := &p.lay.cols[endColumn+1+k]
	pos := c.Bit + e*p.lay.entryBits
	return p.data.Load(pos, c.Mask) + p.offset(c, 0)
}

// bytes returns the page's bytes, which are its own.
func (p page) bytes() []byte { return p.data.Bytes(0, uint64(p.size())) }

// size returns the length of the page in bytes.
func (p page) size() int {
	l := p.lay
	switch {
	case l.entryBits > 0 || l.collection:
		_, n := p.entries(pageSize - 1)
		return int(l.heap) + int((n*l.entryBits+7)/8)
	case l.lastText >= 0:
		end, _ := p.end(&l.cols[l.lastText], pageSize-1)
		return int(l.heap) + int(end)
	}
	return int(l.heap)
}
