package state

import (
	"fmt"

	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
)

// collectionEntry is one element of a LIST (element), SET (element, bucket) or
// MAP (element, value, bucket).
type collectionEntry struct{ element, value, bucket uint32 }

// A pageBuilder collects the records of one page and packs them. Slots that
// are not set are holes and read as null or empty.
type pageBuilder struct {
	schema *Schema
	lays   *layouts
	nums   [][pageSize]uint64 // per field: as in the page, for fixed fields
	texts  [][pageSize][]byte // per field: STRING and BYTES values
	nulls  [][pageSize]bool   // per field: STRING and BYTES nulls
	lists  [pageSize][]collectionEntry

	scratch []byte // backs texts that had to be converted
}

func newPageBuilder(s *Schema, lays *layouts) *pageBuilder {
	b := &pageBuilder{schema: s, lays: lays}
	if s.Kind == Object {
		b.nums = make([][pageSize]uint64, len(s.Fields))
		b.texts = make([][pageSize][]byte, len(s.Fields))
		b.nulls = make([][pageSize]bool, len(s.Fields))
	}
	return b
}

// reset makes every slot a hole.
func (b *pageBuilder) reset() {
	for f := range b.nums {
		b.nums[f] = [pageSize]uint64{}
		b.texts[f] = [pageSize][]byte{}
		b.nulls[f] = [pageSize]bool{}
		if t := b.schema.Fields[f].Type; t == Float || t == Double {
			for i := range b.nums[f] {
				b.nums[f][i] = nullBits(t)
			}
		}
	}
	for i := range b.lists {
		b.lists[i] = b.lists[i][:0]
	}
	b.scratch = b.scratch[:0]
}

// copyRecord sets slot i to the i'th record of p, a page of the same schema.
func (b *pageBuilder) copyRecord(p page, i int) {
	if b.schema.Kind != Object {
		b.lists[i] = appendEntries(b.lists[i][:0], p, i)
		return
	}
	prev := -1
	for f := range b.schema.Fields {
		if b.schema.Fields[f].Type.variable() {
			b.texts[f][i], b.nulls[f][i] = p.span(f, prev, i)
			prev = f
			continue
		}
		b.nums[f][i] = p.number(f, i, b.schema.Fields[f].Type)
	}
}

// number returns a fixed field of a record in the form of a pageBuilder: a
// column of width 0 is all null.
func (p page) number(f, i int, t FieldType) uint64 {
	if p.lay.cols[f].width == 0 {
		return nullBits(t)
	}
	return p.at(f, i)
}

func appendEntries(list []collectionEntry, p page, i int) []collectionEntry {
	start, end := p.entries(i)
	for e := start; e < end; e++ {
		list = append(list, collectionEntry{
			uint32(p.entry(e, 0)), uint32(p.entry(e, 1)), uint32(p.entry(e, 2)),
		})
	}
	return list
}

// pack makes the page.
func (b *pageBuilder) pack() (page, error) {
	if b.schema.Kind == Object {
		return b.packObject()
	}
	return b.packCollection()
}

func (b *pageBuilder) packObject() (page, error) {
	n := len(b.schema.Fields)
	widths, nulls := make([]uint8, n), make([]bool, n)
	end := uint64(0)
	for f, field := range b.schema.Fields {
		if !field.Type.variable() {
			widths[f] = b.numberWidth(f, field.Type)
			continue
		}
		for i := range pageSize {
			nulls[f] = nulls[f] || b.nulls[f][i]
			end += uint64(len(b.texts[f][i]))
		}
		widths[f] = uint8(bits.Len(end))
		if nulls[f] {
			widths[f]++
		}
	}
	lay := b.lays.intern(widths, nulls, [3]uint8{})
	size := uint64(lay.heap) + end + bits.Pad
	if size > 1<<31 {
		return page{}, fmt.Errorf("pack records of type %s: %d bytes in one page exceed 2 GiB", b.schema.Name, size)
	}
	p := page{lay, make([]byte, size)}
	b.fillObject(p)
	return p, nil
}

func (b *pageBuilder) numberWidth(f int, t FieldType) uint8 {
	null := nullBits(t)
	var all uint64
	some := false
	for _, x := range b.nums[f] {
		all |= x
		some = some || x != null
	}
	switch {
	case !some:
		return 0
	case t == Float:
		return 32
	case t == Double:
		return 64
	}
	return uint8(bits.Len(all))
}

func (b *pageBuilder) fillObject(p page) {
	heap := p.data[p.lay.heap:p.lay.heap]
	for f, field := range b.schema.Fields {
		col := p.lay.cols[f]
		pos := uint64(col.off) * 8
		for i := range pageSize {
			x := b.nums[f][i]
			if field.Type.variable() {
				heap = append(heap, b.texts[f][i]...)
				x = uint64(len(heap))
				if col.nulls {
					x <<= 1
					if b.nulls[f][i] {
						x |= 1
					}
				}
			}
			bits.Store(p.data, pos, int(col.width), x&bits.Mask(int(col.width)))
			pos += uint64(col.width)
		}
	}
}

func (b *pageBuilder) packCollection() (page, error) {
	var all [3]uint64
	total := uint64(0)
	for _, list := range b.lists {
		total += uint64(len(list))
		for _, e := range list {
			all[0] |= uint64(e.element)
			all[1] |= uint64(e.value)
			all[2] |= uint64(e.bucket)
		}
	}
	parts := [3]uint8{uint8(bits.Len(all[0])), uint8(bits.Len(all[1])), uint8(bits.Len(all[2]))}
	lay := b.lays.intern([]uint8{uint8(bits.Len(total))}, []bool{false}, parts)
	size := uint64(lay.heap) + (total*lay.entryBits()+7)/8 + bits.Pad
	if size > 1<<31 {
		return page{}, fmt.Errorf("pack records of type %s: %d bytes in one page exceed 2 GiB", b.schema.Name, size)
	}
	p := page{lay, make([]byte, size)}
	pos, n := uint64(lay.heap)*8, uint64(0)
	for i, list := range b.lists {
		for _, e := range list {
			for k, x := range [3]uint32{e.element, e.value, e.bucket} {
				bits.Store(p.data, pos, int(lay.parts[k]), uint64(x))
				pos += uint64(lay.parts[k])
			}
		}
		n += uint64(len(list))
		w := int(lay.cols[0].width)
		bits.Store(p.data, uint64(i)*uint64(w), w, n)
	}
	return p, nil
}
