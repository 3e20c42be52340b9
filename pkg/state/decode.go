package state

import (
	"fmt"
	"math"
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

// clone returns a decoder of the same frame that has decoded nothing.
func (d *decoder) clone() *decoder {
	c := &decoder{f: d.f, fields: d.fields, used: make([]usage, len(d.used))}
	for i := range c.used {
		c.used[i].ranges = make([]uint64, len(d.used[i].ranges))
	}
	return c
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
		return d.loadCollections(b)
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
	var room [pageSize]uint64
	for k := 0; k < d.n; {
		r := d.at[k]
		n := k + 1
		for d.run(k, n) {
			n++
		}
		s, run := &d.f.shards[r.shard], room[:n-k]
		w := s.widths[src]
		s.rows.Gather(run, r.e*s.recordBits+s.starts[src], s.recordBits, w)
		null := wirebits.Mask(w) // also every value of width 0
		if w == 0 {
			d.free += uint64(n - k)
		}
		switch {
		case whole == 0:
			for i, x := range run {
				if x > most && x != null {
					return d.badNumber(b, f, x, w)
				}
				nums[d.at[k+i].slot] = (x + 1) & null
			}
		case w != whole && w != 0: // FLOAT and DOUBLE
			return d.badNumber(b, f, run[0], w)
		default:
			for i, x := range run {
				if w == 0 {
					x = nullBits(t)
				}
				nums[d.at[k+i].slot] = x
			}
		}
		k = n
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

// run says whether record n is in the shard of record k and as far behind it
// there as in d.at: values of such records follow each other in the blob, too.
func (d *decoder) run(k, n int) bool {
	return n < d.n && d.at[n].shard == d.at[k].shard && d.at[n].e == d.at[k].e+uint64(n-k)
}

func (d *decoder) loadTexts(b *pageBuilder, f, src int) error {
	for k := 0; k < d.n; {
		n, data, err := d.textRun(&b.texts[f], k, src)
		if err != nil {
			return err
		}
		d.addTexts(&b.texts[f], data, k, n, b.schema.Fields[f].Type == String)
		k = n
	}
	return nil
}

// textRun sets the slots of a run of records that begins with the k'th to places
// in the bytes of a field that it returns, as if they were appended to c.data. n
// is the record behind the run.
func (d *decoder) textRun(c *textColumn, k, src int) (n int, data []byte, err error) {
	r := d.at[k]
	s := &d.f.shards[r.shard]
	w, all := s.widths[src], uint64(len(s.ranges[src]))
	name := d.f.schema.Fields[src].Name
	if w == 0 {
		return 0, nil, d.f.corrupt("field %s has width 0", name)
	}
	pos, start := r.e*s.recordBits+s.starts[src], uint64(0)
	if r.e > 0 {
		start = s.rows.At(pos-s.recordBits, w) & wirebits.Mask(w-1)
	}
	from, base := start, uint64(len(c.data))
	for n = k; d.run(k, n); n++ {
		x := s.rows.At(pos, w)
		pos += s.recordBits
		end := x & wirebits.Mask(w-1)
		if x != end {
			c.nulls |= 1 << d.at[n].slot
			if end != start { // nothing says that a null has no bytes
				n++
				break
			}
			continue
		}
		if start > end || end > all {
			return 0, nil, d.f.corrupt("field %s has bytes %d to %d of %d", name, start, end, all)
		}
		c.start[d.at[n].slot], c.end[d.at[n].slot] = int(base+start-from), int(base+end-from)
		start = end
	}
	used := &d.used[r.shard].ranges[src]
	if *used += start - from; *used > all {
		return 0, nil, d.f.corrupt("values of field %s overlap", name)
	}
	if start > from {
		data = s.ranges[src][from:start]
	}
	return n, data, nil
}

// addTexts appends the bytes of the records k to n-1, whose slots textRun set.
func (d *decoder) addTexts(c *textColumn, data []byte, k, n int, text bool) {
	base := len(c.data)
	if !text || wire.IsASCII(data) {
		c.data = append(c.data, data...)
		return
	}
	for _, r := range d.at[k:n] {
		if c.nulls>>r.slot&1 != 0 {
			continue
		}
		value := data[c.start[r.slot]-base : c.end[r.slot]-base]
		start := len(c.data)
		c.data = wire.AppendText(c.data, value)
		c.add(r.slot, start)
	}
}

func (d *decoder) loadCollections(b *pageBuilder) error {
	for k := 0; k < d.n; {
		n, start, end, err := d.entryRun(&b.lists, k)
		if err != nil {
			return err
		}
		s := &d.f.shards[d.at[k].shard]
		if d.f.schema.Kind == List {
			dst := b.lists.grow(partElement, int(end-start))
			s.items.Unpack(dst, start*uint64(s.elementBits), s.elementBits)
		} else if err := d.loadTable(&b.lists, s, d.at[k], start, end); err != nil {
			return err
		}
		k = n
	}
	return nil
}

// entryRun sets the slots of a run of LISTs that begins with the k'th record to
// places of their entries, as if these were appended to c. n is the record
// behind the run; of SETs and MAPs it is always the next.
func (d *decoder) entryRun(c *entryColumns, k int) (n int, from, end uint64, err error) {
	r := d.at[k]
	s := &d.f.shards[r.shard]
	rowBits, itemBits := uint64(s.pointerBits+s.sizeBits), uint64(s.elementBits+s.valueBits)
	if r.e > 0 {
		from = s.rows.At((r.e-1)*rowBits, s.pointerBits)
	}
	start, base := from, uint64(len(c.parts[partElement]))
	for n = k; d.run(k, n) && (n == k || c.kind == List); n++ {
		end = s.rows.At(d.at[n].e*rowBits, s.pointerBits)
		if start > end || itemBits > 0 && end > s.most {
			return 0, 0, 0, d.f.corrupt("entries %d to %d are out of range", start, end)
		}
		c.start[d.at[n].slot], c.end[d.at[n].slot] = int(base+start-from), int(base+end-from)
		start = end
	}
	if itemBits == 0 && !d.f.allow.take(end-from) {
		return 0, 0, 0, d.f.corrupt("too many entries take no space")
	}
	used := &d.used[r.shard].items
	if *used += end - from; itemBits > 0 && *used > s.most {
		return 0, 0, 0, d.f.corrupt("entries of records overlap")
	}
	return n, from, end, nil
}

// loadTable sets a slot to the entries in a SET's or MAP's hash table, which are
// the buckets from start to end.
func (d *decoder) loadTable(c *entryColumns, s *shard, r recordAt, start, end uint64) error {
	rowBits, itemBits := uint64(s.pointerBits+s.sizeBits), s.elementBits+s.valueBits
	size := s.rows.At(r.e*rowBits+uint64(s.pointerBits), s.sizeBits)
	if size > wire.MaxTableEntries || end-start != wire.TableSize(size) {
		return d.f.corrupt("a hash table of %d entries has %d buckets", size, end-start)
	}
	empty, first := wirebits.Mask(s.elementBits), len(c.parts[partElement])
	for k := start; k < end; k++ {
		x := s.items.At(k*uint64(itemBits), itemBits)
		if x&empty == empty {
			continue
		}
		c.parts[partElement] = append(c.parts[partElement], uint32(x&empty))
		c.parts[partBucket] = append(c.parts[partBucket], uint32(k-start))
		if c.kind == Map {
			c.parts[partValue] = append(c.parts[partValue], uint32(x>>s.elementBits))
		}
	}
	n := len(c.parts[partElement])
	if uint64(n-first) != size {
		return d.f.corrupt("a hash table of %d entries holds %d", size, n-first)
	}
	c.start[r.slot], c.end[r.slot] = first, n
	return nil
}
