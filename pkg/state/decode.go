package state

import (
	"fmt"
	"math"
	mathbits "math/bits"
	"slices"
	"sync/atomic"

	wirebits "github.com/holdfast-data/holdfast/pkg/state/internal/bits"
	"github.com/holdfast-data/holdfast/pkg/state/internal/prefetch"
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

// newAllowance returns that of a blob of size bytes.
func newAllowance(size int64) *allowance {
	a := new(allowance)
	a.left.Store(freeCells + freeCellsPerByte*size)
	return a
}

// take uses n up and says whether they were there. What is refused is not used.
func (a *allowance) take(n uint64) bool {
	for {
		left := a.left.Load()
		if n > uint64(left) {
			return false
		}
		if n == 0 || a.left.CompareAndSwap(left, left-int64(n)) {
			return true
		}
	}
}

// A decoder decodes records of a frame, a block at a time, and sets page slots
// to them. It is for one goroutine.
type decoder struct {
	f      *frame
	fields []int // for each field of the state's type: its position in the frame, or -1
	used   []usage
	trail  trail
	block  *block

	rows []wirebits.Words // by shard: of the block's records
	room []byte           // of rows, and of what entries are read from

	// Of a page's collections: where their entries are, and scratch.
	elements, values wirebits.Sources
	empty            []uint32 // by shard: the element of a bucket without one
	table, full      wirebits.Entries
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
	d := &decoder{f: f, used: newUsage(f), trail: newTrail(f)}
	for _, field := range own.Fields {
		i := f.schema.FieldIndex(field.Name)
		if i >= 0 && f.schema.Fields[i].Type != field.Type {
			return nil, f.corrupt("field %s is %v, the state has %v", field.Name, f.schema.Fields[i].Type, field.Type)
		}
		d.fields = append(d.fields, i)
	}
	return d, nil
}

func newUsage(f *frame) []usage {
	used := make([]usage, len(f.shards))
	for i := range used {
		used[i].ranges = make([]uint64, len(f.schema.Fields))
	}
	return used
}

// clone returns a decoder of the same frame that has decoded nothing.
func (d *decoder) clone() *decoder {
	c := &decoder{f: d.f, fields: d.fields, used: newUsage(d.f), trail: newTrail(d.f), rows: make([]wirebits.Words, len(d.f.shards))}
	if d.f.schema.Kind != Object {
		c.makeSources()
	}
	return c
}

// forget drops what only decoding needs.
func (d *decoder) forget() {
	*d = decoder{f: d.f, fields: d.fields, used: d.used, trail: d.trail}
}

// decoderBytes returns about how much memory a decoder takes.
func (f *frame) decoderBytes() int64 {
	const span, tally = 24 + 1, 48 // of a value in a block, and of what is known of an array
	n := int64(len(f.schema.Fields) + 2)
	return n*maxBlock*span + n*tally*int64(len(f.shards))
}

func (f *frame) corrupt(format string, args ...any) error {
	return &wire.Error{Section: "type " + f.schema.Name, Offset: f.offset, Reason: fmt.Sprintf(format, args...)}
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
		if u.items += more.items; s.itemBits() > 0 && u.items > s.most {
			return d.f.corrupt("entries of records overlap")
		}
	}
	if d.trail != nil && !d.trail.join(other.trail) {
		return d.outOfOrder()
	}
	return nil
}

// outOfOrder is why a frame is refused whose memory is given back while it is decoded.
func (d *decoder) outOfOrder() error {
	return d.f.corrupt("values do not lie behind each other in the order of their records")
}

// begin starts a block; most is how many records it may get. After it come next
// for each of them and group, or nextAll.
func (d *decoder) begin(most int) {
	if d.block == nil || len(d.block.shards) < most {
		d.block = newBlock(d.f.schema, d.fields, most)
	}
	d.block.n = 0
}

// next adds entry e of a shard to the block. Those of one shard come in
// ascending order.
func (d *decoder) next(shard int, e int64) {
	b := d.block
	b.shards[b.n], b.at[b.n] = int32(shard), uint64(e)
	b.n++
}

// nextAll adds the records that have the ordinals from first on, maxBlock of
// them, and says whether it did: not if they are not the same number in each shard,
// or not all there.
func (d *decoder) nextAll(first Ordinal) bool {
	shards := len(d.f.shards)
	if shards > maxBlock || int(first)%maxBlock != 0 || int64(first)+maxBlock-1 > MaxOrdinal {
		return false
	}
	for i := range d.f.shards {
		if (int64(first)+maxBlock-1)/int64(shards) > d.f.shards[i].max {
			return false
		}
	}
	d.block.addAll(first, shards)
	return true
}

// group sorts the records of the block by shard.
func (d *decoder) group() { d.block.group(len(d.f.shards)) }

// open turns the rows of the block's records, and of a shard's first one the row
// before, which says where that begins.
func (d *decoder) open() {
	d.room = d.room[:0]
	for _, g := range d.block.groups {
		s := &d.f.shards[g.shard]
		from, to := max(g.at[0], 1)-1, g.at[len(g.at)-1]+1
		d.rows[g.shard], d.room = s.rows.Window(d.room, from*s.rowBits(), to*s.rowBits())
	}
}

// decode decodes the records of the block, as far as they have a fixed size;
// set does the rest.
func (d *decoder) decode() error {
	d.open()
	if d.f.schema.Kind != Object {
		return d.decodeRuns()
	}
	free := uint64(0) // fields that take no bit
	for f, src := range d.fields {
		if src < 0 {
			free += uint64(d.block.n)
			continue
		}
		var err error
		if t := d.f.schema.Fields[src].Type; t.variable() {
			err = d.decodeTexts(f, src)
		} else {
			free += d.widthless(src)
			err = d.decodeNumbers(f, src, t)
		}
		if err != nil {
			return err
		}
	}
	if !d.f.allow.take(free) {
		return d.f.corrupt("too many fields take no space")
	}
	return nil
}

// widthless returns how many records of the block have no bit for a field.
func (d *decoder) widthless(src int) (n uint64) {
	for _, g := range d.block.groups {
		if d.f.shards[g.shard].widths[src] == 0 {
			n += uint64(len(g.at))
		}
	}
	return n
}

// decodeNumbers sets the numbers of field f of the block, in the form of pages.
func (d *decoder) decodeNumbers(f, src int, t FieldType) error {
	most, whole := numberLimits(t)
	nums := d.block.nums[f]
	for _, g := range d.block.groups {
		s := &d.f.shards[g.shard]
		w := s.widths[src]
		if whole != 0 && w == 0 {
			for _, k := range g.record {
				nums[k] = nullBits(t)
			}
			continue
		}
		if whole != 0 && w != whole {
			return d.f.corrupt("field %s has numbers of %d bits, which no %v has", d.f.schema.Fields[src].Name, w, t)
		}
		mask, add := wirebits.Mask(w), uint64(1) // in pages null is 0, in blobs it is all ones
		if whole != 0 {
			add = 0
		}
		rows, check := d.rows[g.shard], whole == 0 && mask-1 > most
		if each := d.block.dealt; each > 0 && !check {
			rows.Deal(nums[g.shard:], each, g.at[0], len(g.at), s.recordBits, s.starts[src], w, add)
			continue
		}
		read := d.block.read[:len(g.at)]
		rows.Gather(read, g.at, s.recordBits, s.starts[src], w)
		if check {
			if i := slices.IndexFunc(read, func(x uint64) bool { return x > most && x < mask }); i >= 0 {
				return d.f.corrupt("field %s has the number %d in %d bits, which no %v has", d.f.schema.Fields[src].Name, read[i], w, t)
			}
		}
		for i, k := range g.record {
			nums[k] = (read[i] + add) & mask
		}
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

// decodeTexts sets the values of STRING or BYTES field f of the block.
func (d *decoder) decodeTexts(f, src int) error {
	t := d.f.schema.Fields[src]
	texts := &d.block.texts[f]
	texts.reset()
	for _, g := range d.block.groups {
		s := &d.f.shards[g.shard]
		if s.widths[src] == 0 {
			return d.f.corrupt("field %s has width 0", t.Name)
		}
		if err := d.groupTexts(texts, g, s, src); err != nil {
			return err
		}
	}
	return nil
}

// groupTexts sets the values of a group.
func (d *decoder) groupTexts(texts *texts, g group, s *shard, src int) (err error) {
	ends := d.block.read[:len(g.at)]
	d.rows[g.shard].Gather(ends, g.at, s.recordBits, s.starts[src], s.widths[src])
	first, data := d.textStart(g, s, src, g.at[0]), s.ranges[src]
	end, straight := texts.setRun(g, ends, data, first, wirebits.Mask(s.widths[src]-1))
	n := end - first
	if !straight {
		if end, n, err = d.setTextsOneByOne(texts, g, ends, src); err != nil {
			return err
		}
	}
	if used := &d.used[g.shard].ranges[src]; n > 0 { // before any value is looked at
		if *used += n; *used > uint64(len(data)) {
			return d.f.corrupt("values of field %s overlap", d.f.schema.Fields[src].Name)
		}
	}
	if d.trail != nil {
		passed := &d.trail[g.shard].ranges[src]
		if !passed.extend(first, end) {
			return d.outOfOrder()
		}
		passed.pass(first, end)
	}
	if straight && n > 0 && n < uint64(len(data))-end { // the next block's
		prefetch.Range(&data[end], 0, int(n))
	}
	if d.f.schema.Fields[src].Type == String && !(straight && wire.IsASCII(data[first:end])) {
		texts.markWide(g)
	}
	return nil
}

// textStart returns where the value of entry e of a shard begins.
func (d *decoder) textStart(g group, s *shard, src int, e uint64) uint64 {
	if e == 0 {
		return 0
	}
	w := s.widths[src]
	return d.rows[g.shard].At((e-1)*s.recordBits+s.starts[src], w) & wirebits.Mask(w-1)
}

// setTextsOneByOne sets the values of a group, some of which are null or do not lie behind
// the one before. It returns where the last one ends and how many bytes they are.
func (d *decoder) setTextsOneByOne(texts *texts, g group, ends []uint64, src int) (start, n uint64, err error) {
	s := &d.f.shards[g.shard]
	data, mask := s.ranges[src], wirebits.Mask(s.widths[src]-1) // the highest bit says null
	all, next := uint64(len(data)), uint64(0)
	for i, x := range ends {
		k, e := g.record[i], g.at[i]
		if e != next { // else it begins where the one before ends
			before := start
			if start = d.textStart(g, s, src, e); i > 0 && start != before && d.trail != nil {
				return 0, 0, d.outOfOrder()
			}
		}
		end := x & mask
		next = e + 1
		if start > all || end > all || start > end && (x == end || d.trail != nil) { // nothing says that a null has no bytes
			return 0, 0, d.f.corrupt("field %s has bytes %d to %d of %d", d.f.schema.Fields[src].Name, start, end, all)
		}
		if x != end {
			texts.set(k, nil, textNull)
		} else {
			texts.set(k, data[start:end], 0)
			n += end - start
		}
		start = end
	}
	return start, n, nil
}

// set sets the slots in a mask to the k'th record of the block and those behind
// it.
func (d *decoder) set(b *pageBuilder, k int, mask uint16) error {
	if d.f.schema.Kind != Object {
		return d.setEntries(&b.lists, k, mask)
	}
	for f, src := range d.fields {
		switch t := b.types[f]; {
		case t.variable() && src < 0:
			for m := mask; m != 0; m &= m - 1 {
				b.texts[f].setNull(mathbits.TrailingZeros16(m))
			}
		case t.variable():
			d.setTexts(&b.texts[f], f, k, mask)
		case src < 0:
			for m := mask; m != 0; m &= m - 1 {
				b.nums[f][mathbits.TrailingZeros16(m)] = nullBits(t)
			}
		default:
			setNumbers(b, f, d.block.nums[f][k:], mask)
		}
	}
	return nil
}

// setNumbers sets slots to numbers of a field. If these are all of a page, it is
// given them where they are.
func setNumbers(b *pageBuilder, f int, src []uint64, mask uint16) {
	if mask == allSlots {
		b.nums[f] = (*[pageSize]uint64)(src)
		return
	}
	for i := 0; mask != 0; mask &= mask - 1 {
		b.nums[f][mathbits.TrailingZeros16(mask)] = src[i]
		i++
	}
}

// setTexts sets slots to values of a field, which stay in the blob if they are the
// same there. If these are all of a page, it is given them where they are.
func (d *decoder) setTexts(c *textColumn, f, k int, mask uint16) {
	texts := &d.block.texts[f]
	if mask == allSlots && texts.kinds == 0 {
		c.values = (*[pageSize][]byte)(texts.values[k:])
		return
	}
	for ; mask != 0; mask &= mask - 1 {
		i := mathbits.TrailingZeros16(mask)
		switch value := texts.values[k]; texts.kind[k] {
		case textNull:
			c.setNull(i)
		case textWide:
			start := len(c.copies)
			c.copies = wire.AppendText(c.copies, value)
			c.values[i] = c.copies[start:]
		default:
			c.values[i] = value
		}
		k++
	}
}
