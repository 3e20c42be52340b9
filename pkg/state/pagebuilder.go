package state

import (
	"encoding/binary"
	"fmt"
	"math"
	mathbits "math/bits"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
)

// collectionEntry is one element of a LIST (element), SET (element, bucket) or
// MAP (element, value, bucket).
type collectionEntry struct{ element, value, bucket uint32 }

// A pageBuilder collects the records of one page, column by column, and packs
// them. Slots that are not set are holes; nobody may read them.
type pageBuilder struct {
	schema *Schema
	types  []FieldType // of the schema's fields
	lays   *layouts
	set    uint16              // slots that are not holes
	was    *layout             // of the page before, nil if there was none
	nums   []*[pageSize]uint64 // per field: as in the page, for fixed fields
	own    [][pageSize]uint64  // what nums are, unless who sets all slots has them
	texts  []textColumn        // per field: STRING and BYTES values
	lists  entryColumns

	entries []collectionEntry // scratch of who sets a slot

	plans []columnPlan
	keys  []uint64 // of the plans' shapes
	last  *layout  // that was chosen for the page before
	known [knownLayouts]knownLayout

	narrow      [maxLayouts + 1]uint16 // by layout: a column into which a page did not fit
	room        []columnRoom           // of pages that needed a choice
	size, waste int                    // bytes of all pages at best, and how many more they have

	expansion bits.Expansion // of the column under way
}

// textColumn is the values of a STRING or BYTES field.
type textColumn struct {
	values *[pageSize][]byte // empty where there is none; they stay where they came from
	own    [pageSize][]byte  // what values is, unless who sets all slots has them
	nulls  uint16
	copies []byte // of values that do not stay
}

func (t *textColumn) setNull(i int) {
	t.nulls |= 1 << i
	t.values[i] = nil
}

// copy sets slot i to a copy of a value.
func (t *textColumn) copy(i int, value []byte) {
	start := len(t.copies)
	t.copies = append(t.copies, value...)
	t.values[i] = t.copies[start:]
}

// builder returns a pageBuilder for a type with these layouts, one that was
// released if there is one: it knows which layouts pages take.
func (ls *layouts) builder(s *Schema) *pageBuilder {
	if b, ok := ls.spare.Get().(*pageBuilder); ok && b.schema == s {
		return b
	}
	return newPageBuilder(s, ls)
}

// release lets others use b.
func (b *pageBuilder) release() {
	b.lays.size.Add(int64(b.size))
	b.lays.waste.Add(int64(b.waste))
	b.size, b.waste = 0, 0
	b.reset(0) // it must not keep alive what others own
	for f := range b.texts {
		if cap(b.texts[f].copies) > maxSpare {
			return // a page that large is rare
		}
	}
	if cap(b.lists.parts[partElement]) <= maxSpare/4 {
		b.lays.spare.Put(b)
	}
}

// maxSpare is how many bytes a released pageBuilder may hold of each field.
const maxSpare = 64 << 10

func newPageBuilder(s *Schema, lays *layouts) *pageBuilder {
	b := &pageBuilder{schema: s, lays: lays, lists: entryColumns{kind: s.Kind}}
	n := 1 + entryParts
	if s.Kind == Object {
		n = len(s.Fields)
		b.nums, b.own = make([]*[pageSize]uint64, n), make([][pageSize]uint64, n)
		b.texts = make([]textColumn, n)
		for _, f := range s.Fields {
			b.types = append(b.types, f.Type)
		}
	}
	b.plans, b.keys, b.room = make([]columnPlan, n), make([]uint64, n), make([]columnRoom, n)
	b.reset(0)
	return b
}

const allSlots = 1<<pageSize - 1

// reset makes every slot a hole, but for those that are about to be set.
func (b *pageBuilder) reset(about uint16) {
	b.set, b.was = about, nil
	for f := range b.texts {
		if b.nums[f] = &b.own[f]; b.types[f].variable() {
			c := &b.texts[f]
			c.copies, c.nulls, c.values = c.copies[:0], 0, &c.own
			if about != allSlots {
				clear(c.own[:])
			}
		}
	}
	b.lists.reset()
}

// copyPage sets the slots in mask to those of p, a page of the same schema.
func (b *pageBuilder) copyPage(p page, mask uint16) {
	b.set |= mask
	if b.schema.Kind != Object {
		for m := uint32(mask); m != 0; {
			from := mathbits.TrailingZeros32(m)
			to := from + mathbits.TrailingZeros32(^(m >> from))
			b.lists.copy(p, from, to)
			m = m >> to << to
		}
		return
	}
	for f := range b.schema.Fields {
		if b.types[f].variable() {
			b.copyTexts(p, f, mask)
			continue
		}
		c := &p.lay.cols[f]
		b.expansion.Base, b.expansion.Slope = p.head(c)
		b.expand(p, c, c.Div, b.nums[f]) // what is not in mask is a hole, or set later
	}
}

// expand sets dst to the numbers of a column, with base and slope as they are
// set.
func (b *pageBuilder) expand(p page, c *column, unit uint64, dst *[pageSize]uint64) {
	b.expansion.Mask, b.expansion.Unit = c.Mask, unit
	p.data.Expand(dst, c.Bit>>3, int(c.Width), &b.expansion)
}

// copyTexts sets the slots in mask to a field's values in p, which stay there.
func (b *pageBuilder) copyTexts(p page, f int, mask uint16) {
	t := &b.texts[f]
	var ends [1 + pageSize]uint64 // that of slot i is in i+1
	c := &p.lay.cols[f]
	t.nulls |= b.ends(p, c, (*[pageSize]uint64)(ends[1:])) & mask
	if c.Before >= 0 {
		ends[0], _ = p.end(&p.lay.cols[c.Before], pageSize-1)
	}
	heap := uint64(p.lay.heap)
	for m := mask; m != 0; m &= m - 1 {
		i := mathbits.TrailingZeros16(m)
		t.values[i] = p.data.Bytes(heap+ends[i], heap+ends[i+1])
	}
}

// ends sets dst to where the values of a STRING or BYTES column end in the heap,
// and returns which are null.
func (b *pageBuilder) ends(p page, c *column, dst *[pageSize]uint64) (nulls uint16) {
	b.expansion.Base, b.expansion.Slope = p.head(c)
	if c.NullBits == 0 {
		b.expand(p, c, 1, dst)
		return 0
	}
	base, slope := b.expansion.Base, b.expansion.Slope
	b.expansion.Base, b.expansion.Slope = 0, 0
	b.expand(p, c, 1, dst)
	for i, x := range dst {
		nulls |= uint16(x&1) << i
		dst[i] = x>>1 + base + slope*uint64(i)
	}
	return nulls
}

// setText sets slot i of a STRING or BYTES field, which copies text.
func (b *pageBuilder) setText(c *textColumn, i int, text []byte, null bool) {
	if null {
		c.setNull(i)
		return
	}
	c.copy(i, text)
}

func appendEntries(list []collectionEntry, p page, i int) []collectionEntry {
	start, end := p.entries(i)
	element, value, bucket := &p.lay.cols[endColumn+1], &p.lay.cols[endColumn+2], &p.lay.cols[endColumn+3]
	base := p.offset(element, 0)
	at := start * p.lay.entryBits
	read := func(c *column, at uint64) uint64 {
		return p.data.Load(at+c.Bit, c.Mask)
	}
	if p.lay.entryBits == uint64(element.Width) { // a LIST, or all else is 0
		rest := collectionEntry{value: uint32(p.offset(value, 0)), bucket: uint32(p.offset(bucket, 0))}
		for ; start < end; start++ {
			rest.element = uint32(read(element, at) + base)
			list = append(list, rest)
			at += p.lay.entryBits
		}
		return list
	}
	valueBase, bucketBase := p.offset(value, 0), p.offset(bucket, 0)
	for ; start < end; start++ {
		list = append(list, collectionEntry{
			uint32(read(element, at) + base), uint32(read(value, at) + valueBase), uint32(read(bucket, at) + bucketBase),
		})
		at += p.lay.entryBits
	}
	return list
}

// plan decides how the page is stored and returns its length in bytes.
func (b *pageBuilder) plan() (*layout, int, error) {
	heap := uint64(0)
	if b.schema.Kind == Object {
		for f := range b.plans {
			if t := b.types[f]; t.variable() {
				b.planTexts(f, &heap)
			} else {
				b.plans[f].setNumbers(t, b.nums[f], b.set)
			}
		}
	} else {
		heap = b.lists.plan(b.plans)
	}
	best := heap
	for i := range b.plans {
		p := &b.plans[i]
		best += uint64(p.bytes())
		b.keys[i] = p.key()
	}
	lay := b.layout(int(best))
	if b.schema.Kind != Object {
		heap = (heap*lay.entryBits + 7) / 8
	}
	size := uint64(lay.heap) + heap
	if size > 1<<31 {
		return nil, 0, fmt.Errorf("pack records of type %s: %d bytes in one page exceed 2 GiB", b.schema.Name, size)
	}
	return lay, int(size), nil
}

// knownLayout is the layout that was chosen for shapes the last time. Pages of
// one type ask for few.
type knownLayout struct {
	keys  []uint64
	lay   *layout
	waste int // bytes by which the page was longer than at best
}

const knownLayouts = 256

// layout returns the layout for the plans and makes them those for it. size is
// the page's length at best.
func (b *pageBuilder) layout(size int) *layout {
	b.size += size
	if b.last != nil && slices.Equal(b.last.keys, b.keys) {
		return b.last
	}
	b.last = b.layoutFor(size)
	return b.last
}

// layoutFor is layout for other shapes than those of the page before.
func (b *pageBuilder) layoutFor(size int) *layout {
	// Where records change one by one, each page has shapes of its own.
	if b.was != nil {
		least, entries := bytesOf(b.plans)
		if b.was.bytes(entries)-least <= tolerable(size) && b.was.adopt(b.plans) {
			return b.was
		}
	}
	k := &b.known[hashKeys(b.keys)%knownLayouts]
	list := b.lays.all()
	if k.lay != nil && slices.Equal(b.keys, k.keys) && k.waste <= b.tolerable(list, size) && k.lay.adopt(b.plans) {
		b.waste += k.waste
		return k.lay
	}
	k.keys = append(k.keys[:0], b.keys...)
	k.lay, k.waste = b.choose(list, size)
	b.waste += k.waste
	return k.lay
}

// tolerable returns by how many bytes a page may be longer than at best, so that
// it needs no layout beside those of a list.
func (b *pageBuilder) tolerable(list []*layout, size int) int {
	waste, all := int64(b.waste)+b.lays.waste.Load(), int64(b.size)+b.lays.size.Load()
	if n := len(list); n < exactLayouts || n < roundedLayouts && waste > all/wasteShare {
		return tolerable(size)
	}
	return math.MaxInt
}

// wasteShare is what share of their bytes pages may lose before there are
// further layouts for them.
const wasteShare = 128

// choose returns a layout of a list in which the page is not much longer than at
// best, or a new one, and by how much it is; it makes the plans those for it. size
// is the page's length at best.
func (b *pageBuilder) choose(list []*layout, size int) (l *layout, more int) {
	for i := range b.plans {
		b.room[i].cover(&b.plans[i])
	}
	for {
		most := b.tolerable(list, size)
		if l, more = b.closest(list, most); l == nil {
			l = b.lays.make(list, b.plans, most == math.MaxInt, b.room)
		}
		if l != nil {
			if !l.adopt(b.plans) {
				panic("state: a page does not fit into the layout made for it") // better than wrong records
			}
			return l, more
		}
		list = b.lays.all()
	}
}

// closest returns the layout in which the page is least longer than at best, but
// no more than by waste bytes, and by how much; nil if there is none.
func (b *pageBuilder) closest(list []*layout, waste int) (best *layout, more int) {
	least, entries := bytesOf(b.plans)
	var need widths
	for i := range b.plans {
		need.set(i, b.plans[i].leastWidth())
	}
	for i, l := range list {
		if !l.widths.cover(&need) {
			continue
		}
		n := l.bytes(entries) - least
		if n > waste || best != nil && n == waste || !b.fits(l, &b.narrow[i]) {
			continue
		}
		best, waste, more = l, n, n
	}
	return best, more
}

// fits says whether the page fits into a layout. Most pages that do not fit do
// not for the same reason: narrow is the column into which the last one did not.
func (b *pageBuilder) fits(l *layout, narrow *uint16) bool {
	if len(b.plans) == 0 {
		return true
	}
	if _, _, ok := b.plans[*narrow].in(&l.shapes[*narrow]); !ok {
		return false
	}
	for i := range b.plans {
		if _, _, ok := b.plans[i].in(&l.shapes[i]); !ok {
			*narrow = uint16(i)
			return false
		}
	}
	return true
}

// fill writes the page that was planned to out, which has Pad bytes more than it
// needs: each part may overwrite the beginning of what is behind it, so they
// come in their order.
func (b *pageBuilder) fill(out []byte, lay *layout) {
	if b.schema.Kind != Object {
		b.lists.fill(out, lay, b.plans)
		return
	}
	end := uint64(0)
	for f := range b.plans {
		c := &lay.cols[f]
		b.plans[f].writeHead(out, c)
		if b.types[f].variable() {
			end = b.texts[f].fillEnds(out[c.Bit/8:], c, &b.plans[f], end)
		} else {
			packNumbers(out[c.Bit/8:], c, &b.plans[f], b.nums[f], b.set)
		}
	}
	heap := out[lay.heap:]
	for f := range b.plans {
		if b.types[f].variable() {
			heap = heap[bits.Concat(heap, b.texts[f].values):]
		}
	}
}

// writeHead writes base and slope of a column, and zeros behind them.
func (p *columnPlan) writeHead(out []byte, c *column) {
	if c.BaseBits+c.SlopeBits > 0 {
		binary.LittleEndian.PutUint64(out[c.Head:], p.base|p.slope<<c.BaseBits)
	}
}

// packNumbers packs the numbers of a column; holes become 0.
func packNumbers(out []byte, c *column, p *columnPlan, nums *[pageSize]uint64, set uint16) {
	switch {
	case c.Width == 0:
	case p.div == 0 && set == allSlots:
		bits.Pack(out, int(c.Width), nums, p.base, p.slope)
	default:
		packReduced(out, c, p, nums, set)
	}
}

// packReduced is packNumbers for those that take more than to subtract.
func packReduced(out []byte, c *column, p *columnPlan, nums *[pageSize]uint64, set uint16) {
	var x [pageSize]uint64
	if p.div == 0 {
		for m := set; m != 0; m &= m - 1 {
			i := mathbits.TrailingZeros16(m)
			x[i] = nums[i] - p.base - uint64(i)*p.slope
		}
	} else {
		for m := set; m != 0; m &= m - 1 {
			i := mathbits.TrailingZeros16(m)
			x[i] = quotient(nums[i]-p.base, p.div)
		}
	}
	bits.Pack(out, int(c.Width), &x, 0, 0)
}

// fillEnds writes the column of a STRING or BYTES field, whose values begin at
// end in the heap, and returns where they end.
func (t *textColumn) fillEnds(out []byte, c *column, p *columnPlan, end uint64) uint64 {
	var x [pageSize]uint64
	for i := range pageSize {
		end += uint64(len(t.values[i]))
		x[i] = end
	}
	if c.NullBits == 0 {
		bits.Pack(out, int(c.Width), &x, p.base, p.slope)
		return end
	}
	for i := range pageSize {
		x[i] = (x[i]-p.base-uint64(i)*p.slope)<<1 | uint64(t.nulls>>i&1)
	}
	bits.Pack(out, int(c.Width), &x, 0, 0)
	return end
}
