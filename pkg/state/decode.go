package state

import (
	"fmt"
	"slices"

	wirebits "github.com/holdfast-data/holdfast/pkg/state/internal/bits"
	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// An allowance bounds, over all types of a blob, the elements and fields that
// cost no bit in it: a few bytes could otherwise announce billions of them. It
// is far above what a producer has use for: a record of 3 bytes may have 700
// fields that are null in all records.
type allowance struct{ left uint64 }

const (
	freeCells        = 1 << 20 // elements and fields without a bit, in any blob
	freeCellsPerByte = 1 << 8  // further ones for each byte of the blob
)

// take uses n up and says whether they were there.
func (a *allowance) take(n uint64) bool {
	if n > a.left {
		a.left = 0
		return false
	}
	a.left -= n
	return true
}

// A decoder sets page slots to records of a frame.
type decoder struct {
	f      *frame
	fields []int // for each field of the state's type: its position in the frame, or -1
}

// newDecoder matches the fields of the state's schema with the frame's by name.
func newDecoder(f *frame, own *Schema) (*decoder, error) {
	if own.Kind != f.schema.Kind {
		return nil, f.corrupt("it is a %v, the state has a %v", f.schema.Kind, own.Kind)
	}
	d := &decoder{f: f}
	for _, field := range own.Fields {
		i := f.schema.FieldIndex(field.Name)
		if i >= 0 && f.schema.Fields[i].Type != field.Type {
			return nil, f.corrupt("field %s is %v, the state has %v", field.Name, f.schema.Fields[i].Type, field.Type)
		}
		d.fields = append(d.fields, i)
	}
	return d, nil
}

func (f *frame) corrupt(format string, args ...any) error {
	return &wire.Error{Section: "type " + f.schema.Name, Offset: f.offset, Reason: fmt.Sprintf(format, args...)}
}

// load sets slot i of b to entry e of a shard.
func (d *decoder) load(b *pageBuilder, s *shard, e int64, i int) error {
	if d.f.schema.Kind == Object {
		return d.loadObject(b, s, e, i)
	}
	return d.loadCollection(b, s, e, i)
}

func (d *decoder) loadObject(b *pageBuilder, s *shard, e int64, i int) error {
	free := uint64(0)
	for f, src := range d.fields {
		t := b.schema.Fields[f].Type
		if src < 0 {
			free++
			if t.variable() {
				b.nulls[f][i] = true
			}
			continue
		}
		if t.variable() {
			if err := d.loadText(b, s, e, i, f); err != nil {
				return err
			}
			continue
		}
		w := s.widths[src]
		if w == 0 {
			free++
		}
		x := s.rows.At(uint64(e)*s.recordBits+s.starts[src], w)
		n, ok := fixedNumber(x, w, t)
		if !ok {
			return d.f.corrupt("field %s has the number %d in %d bits, which no %v has", b.schema.Fields[f].Name, x, w, t)
		}
		b.nums[f][i] = n
	}
	if !d.f.allow.take(free) {
		return d.f.corrupt("too many fields take no space")
	}
	return nil
}

// fixedNumber turns a blob's number of width w into a page's.
func fixedNumber(x uint64, w int, t FieldType) (n uint64, ok bool) {
	switch t {
	case Float:
		if w == 0 {
			return nullFloat, true
		}
		return x, w == 32
	case Double:
		if w == 0 {
			return nullDouble, true
		}
		return x, w == 64
	}
	if x == wirebits.Mask(w) {
		return 0, true // null; also every value of width 0
	}
	switch t {
	case Int:
		ok = x < 1<<32
	case Reference:
		ok = x <= MaxOrdinal
	case Boolean:
		return min(x, 1) + 1, x <= 1
	default:
		ok = true
	}
	return x + 1, ok
}

func (d *decoder) loadText(b *pageBuilder, s *shard, e int64, i, f int) error {
	src := d.fields[f]
	w := s.widths[src]
	if w == 0 {
		return d.f.corrupt("field %s has width 0", b.schema.Fields[f].Name)
	}
	pos := uint64(e)*s.recordBits + s.starts[src]
	x := s.rows.At(pos, w)
	end, start := x&wirebits.Mask(w-1), uint64(0)
	if e > 0 {
		start = s.rows.At(pos-s.recordBits, w) & wirebits.Mask(w-1)
	}
	if x>>(w-1) != 0 {
		b.nulls[f][i] = true
		return nil
	}
	if start > end || end > uint64(len(s.ranges[src])) {
		return d.f.corrupt("field %s has bytes %d to %d of %d", b.schema.Fields[f].Name, start, end, len(s.ranges[src]))
	}
	if s.used[src] += end - start; s.used[src] > uint64(len(s.ranges[src])) {
		return d.f.corrupt("values of field %s overlap", b.schema.Fields[f].Name)
	}
	data := s.ranges[src][start:end]
	if b.schema.Fields[f].Type == String {
		n := len(b.scratch)
		b.scratch = wire.AppendText(b.scratch, data)
		data = b.scratch[n:len(b.scratch):len(b.scratch)]
	}
	b.texts[f][i] = data
	return nil
}

func (d *decoder) loadCollection(b *pageBuilder, s *shard, e int64, i int) error {
	rowBits := uint64(s.pointerBits + s.sizeBits)
	end, start := s.rows.At(uint64(e)*rowBits, s.pointerBits), uint64(0)
	if e > 0 {
		start = s.rows.At(uint64(e-1)*rowBits, s.pointerBits)
	}
	itemBits := uint64(s.elementBits + s.valueBits)
	if start > end || itemBits > 0 && end > s.items.Bits()/itemBits {
		return d.f.corrupt("entries %d to %d are out of range", start, end)
	}
	if itemBits == 0 && !d.f.allow.take(end-start) {
		return d.f.corrupt("too many entries take no space")
	}
	if s.usedItems += end - start; itemBits > 0 && s.usedItems > s.items.Bits()/itemBits {
		return d.f.corrupt("entries of records overlap")
	}
	if d.f.schema.Kind == List {
		b.lists[i] = slices.Grow(b.lists[i], int(end-start))
		for k := start; k < end; k++ {
			x := s.items.At(k*itemBits, s.elementBits)
			b.lists[i] = append(b.lists[i], collectionEntry{element: uint32(x)})
		}
		return nil
	}
	size := s.rows.At(uint64(e)*rowBits+uint64(s.pointerBits), s.sizeBits)
	return d.loadTable(b, s, i, start, end, size)
}

func (d *decoder) loadTable(b *pageBuilder, s *shard, i int, start, end, size uint64) error {
	itemBits := uint64(s.elementBits + s.valueBits)
	if size > wire.MaxTableEntries || end-start != wire.TableSize(size) {
		return d.f.corrupt("a hash table of %d entries has %d buckets", size, end-start)
	}
	b.lists[i] = slices.Grow(b.lists[i], int(size))
	empty := wirebits.Mask(s.elementBits)
	for k := start; k < end; k++ {
		x := s.items.At(k*itemBits, s.elementBits)
		if x == empty {
			continue
		}
		v := s.items.At(k*itemBits+uint64(s.elementBits), s.valueBits)
		b.lists[i] = append(b.lists[i], collectionEntry{uint32(x), uint32(v), uint32(k - start)})
	}
	if uint64(len(b.lists[i])) != size {
		return d.f.corrupt("a hash table of %d entries holds %d", size, len(b.lists[i]))
	}
	return nil
}
