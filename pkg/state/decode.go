package state

import (
	"fmt"
	"math"
	"slices"
	"sync/atomic"

	wirebits "github.com/holdfast-data/holdfast/pkg/state/internal/bits"
	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// An allowance bounds, over all types of a blob, the elements and fields that
// cost no bit in it: a few bytes could otherwise announce billions of them. It
// is far above what a producer has use for: a record of 3 bytes may have 700
// fields that are null in all records.
type allowance struct{ left atomic.Int64 }

const (
	freeCells        = 1 << 20 // elements and fields without a bit, in any blob
	freeCellsPerByte = 1 << 8  // further ones for each byte of the blob
)

// take uses n up and says whether they were there.
func (a *allowance) take(n uint64) bool {
	return n == 0 || n <= math.MaxInt64 && a.left.Add(-int64(n)) >= 0
}

// A decoder sets page slots to records of a frame. It is for one goroutine.
type decoder struct {
	f      *frame
	fields []int // for each field of the state's type: its position in the frame, or -1
	used   []usage
	at     [pageSize]recordAt // the records under way
	n      int
	free   uint64 // fields of theirs that take no bit
}

// recordAt says where a record is: entry e of a shard, to go to a slot.
type recordAt struct {
	shard int
	e     uint64
	slot  int
}

// usage says how much of a shard's variable data has been decoded, so that
// records that overlap cannot make much out of little.
type usage struct {
	ranges []uint64 // bytes, by field
	items  uint64
}

// newDecoder matches the fields of the state's schema with the frame's by name.
func newDecoder(f *frame, own *Schema) (*decoder, error) {
	if own.Kind != f.schema.Kind {
		return nil, f.corrupt("it is a %v, the state has a %v", f.schema.Kind, own.Kind)
	}
	d := &decoder{f: f, used: make([]usage, len(f.shards))}
	for i := range d.used {
		d.used[i].ranges = make([]uint64, len(f.schema.Fields))
	}
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

// begin makes the next call of load start with no record.
func (d *decoder) begin() { d.n = 0 }

// next adds a record to those that load sets.
func (d *decoder) next(r recordAt) {
	d.at[d.n] = r
	d.n++
}

// load sets the slots of the records that were named.
func (d *decoder) load(b *pageBuilder) error {
	if d.f.schema.Kind != Object {
		for _, r := range d.at[:d.n] {
			if err := d.loadCollection(b, r); err != nil {
				return err
			}
		}
		return nil
	}
	d.free = 0
	for f, src := range d.fields {
		t := b.schema.Fields[f].Type
		var err error
		switch {
		case src < 0:
			d.free += uint64(d.n)
			d.loadNulls(b, f, t)
		case t.variable():
			err = d.loadTexts(b, f, src)
		default:
			err = d.loadNumbers(b, f, src, t)
		}
		if err != nil {
			return err
		}
	}
	if !d.f.allow.take(d.free) {
		return d.f.corrupt("too many fields take no space")
	}
	return nil
}

// merge adds up what d and another decoder of the same frame have decoded.
func (d *decoder) merge(other *decoder) error {
	for i := range d.used {
		s, u, more := &d.f.shards[i], &d.used[i], &other.used[i]
		for f := range u.ranges {
			if u.ranges[f] += more.ranges[f]; u.ranges[f] > uint64(len(s.ranges[f])) {
				return d.f.corrupt("values of field %s overlap", d.f.schema.Fields[f].Name)
			}
		}
		itemBits := uint64(s.elementBits + s.valueBits)
		if u.items += more.items; itemBits > 0 && u.items > s.items.Bits()/itemBits {
			return d.f.corrupt("entries of records overlap")
		}
	}
	return nil
}

// loadNulls sets a field that the frame lacks.
func (d *decoder) loadNulls(b *pageBuilder, f int, t FieldType) {
	for _, r := range d.at[:d.n] {
		if t.variable() {
			b.setText(&b.texts[f], r.slot, nil, true)
		} else {
			b.nums[f][r.slot] = nullBits(t)
		}
	}
}

func (d *decoder) loadNumbers(b *pageBuilder, f, src int, t FieldType) error {
	most, whole := numberLimits(t)
	nums := &b.nums[f]
	for _, r := range d.at[:d.n] {
		s := &d.f.shards[r.shard]
		w := s.widths[src]
		if w == 0 {
			d.free++
		}
		x := s.rows.At(r.e*s.recordBits+s.starts[src], w)
		switch {
		case whole > 0: // FLOAT and DOUBLE
			if w == 0 {
				x = nullBits(t)
			} else if w != whole {
				return d.badNumber(b, f, x, w)
			}
		case x == wirebits.Mask(w):
			x = 0 // null; also every value of width 0
		case x > most:
			return d.badNumber(b, f, x, w)
		default:
			x++
		}
		nums[r.slot] = x
	}
	return nil
}

// numberLimits returns the greatest number that a blob has for a field and, of
// fields of a fixed width, that width.
func numberLimits(t FieldType) (most uint64, whole int) {
	switch t {
	case Float:
		return 0, 32
	case Double:
		return 0, 64
	case Boolean:
		return 1, 0
	case Int:
		return math.MaxUint32, 0
	case Reference:
		return MaxOrdinal, 0
	}
	return math.MaxUint64, 0
}

func (d *decoder) badNumber(b *pageBuilder, f int, x uint64, w int) error {
	field := b.schema.Fields[f]
	return d.f.corrupt("field %s has the number %d in %d bits, which no %v has", field.Name, x, w, field.Type)
}

func (d *decoder) loadTexts(b *pageBuilder, f, src int) error {
	text := b.schema.Fields[f].Type == String
	c := &b.texts[f]
	for _, r := range d.at[:d.n] {
		data, null, err := d.span(b.schema.Fields[f].Name, r, src)
		switch {
		case err != nil:
			return err
		case null:
			c.nulls |= 1 << r.slot
			continue
		}
		start := len(c.data)
		if text {
			c.data = wire.AppendText(c.data, data)
		} else {
			c.data = append(c.data, data...)
		}
		c.add(r.slot, start)
	}
	return nil
}

// span returns the bytes of a STRING or BYTES value in the blob.
func (d *decoder) span(name string, r recordAt, src int) (data []byte, null bool, err error) {
	s := &d.f.shards[r.shard]
	w := s.widths[src]
	if w == 0 {
		return nil, false, d.f.corrupt("field %s has width 0", name)
	}
	pos := r.e*s.recordBits + s.starts[src]
	x := s.rows.At(pos, w)
	if x>>(w-1) != 0 {
		return nil, true, nil
	}
	end, start := x&wirebits.Mask(w-1), uint64(0)
	if r.e > 0 {
		start = s.rows.At(pos-s.recordBits, w) & wirebits.Mask(w-1)
	}
	if start > end || end > uint64(len(s.ranges[src])) {
		return nil, false, d.f.corrupt("field %s has bytes %d to %d of %d", name, start, end, len(s.ranges[src]))
	}
	used := &d.used[r.shard].ranges[src]
	if *used += end - start; *used > uint64(len(s.ranges[src])) {
		return nil, false, d.f.corrupt("values of field %s overlap", name)
	}
	return s.ranges[src][start:end], false, nil
}

func (d *decoder) loadCollection(b *pageBuilder, r recordAt) error {
	s := &d.f.shards[r.shard]
	rowBits := uint64(s.pointerBits + s.sizeBits)
	end, start := s.rows.At(r.e*rowBits, s.pointerBits), uint64(0)
	if r.e > 0 {
		start = s.rows.At((r.e-1)*rowBits, s.pointerBits)
	}
	itemBits := uint64(s.elementBits + s.valueBits)
	if start > end || itemBits > 0 && end > s.items.Bits()/itemBits {
		return d.f.corrupt("entries %d to %d are out of range", start, end)
	}
	if itemBits == 0 && !d.f.allow.take(end-start) {
		return d.f.corrupt("too many entries take no space")
	}
	used := &d.used[r.shard].items
	if *used += end - start; itemBits > 0 && *used > s.items.Bits()/itemBits {
		return d.f.corrupt("entries of records overlap")
	}
	if d.f.schema.Kind == List {
		list := slices.Grow(b.lists[r.slot], int(end-start))
		items := s.items.From(start * itemBits)
		for range end - start {
			list = append(list, collectionEntry{element: uint32(items.Next(s.elementBits))})
		}
		b.lists[r.slot] = list
		return nil
	}
	size := s.rows.At(r.e*rowBits+uint64(s.pointerBits), s.sizeBits)
	return d.loadTable(b, s, r.slot, start, end, size)
}

func (d *decoder) loadTable(b *pageBuilder, s *shard, i int, start, end, size uint64) error {
	itemBits := uint64(s.elementBits + s.valueBits)
	if size > wire.MaxTableEntries || end-start != wire.TableSize(size) {
		return d.f.corrupt("a hash table of %d entries has %d buckets", size, end-start)
	}
	b.lists[i] = slices.Grow(b.lists[i], int(size))
	empty := wirebits.Mask(s.elementBits)
	items := s.items.From(start * itemBits)
	for k := start; k < end; k++ {
		x, v := items.Next(s.elementBits), items.Next(s.valueBits)
		if x == empty {
			continue
		}
		b.lists[i] = append(b.lists[i], collectionEntry{uint32(x), uint32(v), uint32(k - start)})
	}
	if uint64(len(b.lists[i])) != size {
		return d.f.corrupt("a hash table of %d entries holds %d", size, len(b.lists[i]))
	}
	return nil
}
