package state

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"math"
	"math/bits"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	wirebits "github.com/holdfast-data/holdfast/pkg/state/internal/bits"
	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

const (
	annotateRow  = 16 // bytes on a line
	annotateList = 16 // elements of a collection, and ranges of ordinals, that are shown
	annotateText = 48 // bytes of a text that are shown
)

// Annotate writes every byte of a snapshot, delta, reverse delta, header blob or
// optional part with its offset and meaning, a few bytes a line, and after each
// shard its records in words. Which kind of blob it is, is found by trying. Of a
// corrupt one it writes what can be read, then the rest as bytes, and returns
// an error that wraps ErrCorrupt. Time and space are in proportion to data.
func Annotate(w io.Writer, data []byte) error {
	out := bufio.NewWriterSize(w, 1<<16)
	a := &annotator{r: wire.NewReader(data), data: data, out: out}
	a.blob()
	err := a.r.Err()
	if err == nil && a.r.Len() > 0 {
		a.r.Section("end")
		a.r.Fail("%d bytes follow the last type", a.r.Len())
		err = a.r.Err()
	}
	if err != nil {
		a.note("%v", err)
		a.rest()
		err = fmt.Errorf("annotate blob: %w", err)
	}
	if flushErr := out.Flush(); flushErr != nil {
		return fmt.Errorf("write annotated blob: %w", flushErr)
	}
	return err
}

// An annotator reads a blob like readBlob and says what it reads.
type annotator struct {
	r     *wire.Reader
	data  []byte
	out   *bufio.Writer
	start int // of the bytes that were not written yet
	delta bool
}

// note writes the bytes since the last note, and what they mean.
func (a *annotator) note(format string, args ...any) {
	a.rows(a.start, a.r.Offset(), fmt.Sprintf(format, args...))
	a.start = a.r.Offset()
}

// say writes a line without bytes.
func (a *annotator) say(format string, args ...any) {
	a.rows(0, 0, fmt.Sprintf(format, args...))
}

// rows writes bytes with a text on the first line; equal lines in a row are one
// asterisk, as hexdump has it. Names in the text may be anything.
func (a *annotator) rows(from, to int, text string) {
	text = dataset.Printable(text)
	if from == to {
		fmt.Fprintf(a.out, "%8s  %-*s  # %s\n", "", 2*annotateRow, "", text)
		return
	}
	skipped := false
	for at := from; at < to; at += annotateRow {
		row := a.data[at:min(at+annotateRow, to)]
		if at > from && at+annotateRow < to && bytes.Equal(row, a.data[at-annotateRow:at]) {
			if !skipped {
				fmt.Fprintln(a.out, "*")
			}
			skipped = true
			continue
		}
		skipped = false
		if at == from && text != "" {
			fmt.Fprintf(a.out, "%08x  %-*x  # %s\n", at, 2*annotateRow, row, text)
		} else {
			fmt.Fprintf(a.out, "%08x  %x\n", at, row)
		}
	}
}

// rest writes the bytes that were not read.
func (a *annotator) rest() {
	if a.start < len(a.data) {
		a.rows(a.start, len(a.data), fmt.Sprintf("%d bytes without a meaning", len(a.data)-a.start))
	}
}

func (a *annotator) blob() {
	r := a.r
	switch v := r.I32(); v {
	case blobVersion:
		a.note("format version %d: a blob", v)
		a.tags("it starts from", "it leads to")
		envelope := r.Vint()
		a.note("envelope of %d bytes", envelope)
		if envelope != 0 {
			a.schemas()
		}
		a.headerTags()
	case partVersion:
		a.note("format version %d: an optional part", v)
		name := r.UTF()
		a.note("name %q", name)
		a.tags("the blob starts from", "the blob leads to")
		a.schemas()
	default:
		r.Fail("format version %d is neither %d nor %d", v, blobVersion, partVersion)
	}
	if r.Err() != nil || r.Len() == 0 {
		return // a header
	}
	a.delta = isDelta(a.data[r.Offset():])
	n := r.Count()
	if r.Len() == 0 {
		a.note("%d types, which the other blobs hold", n)
		return
	}
	a.note("%d types follow, of a %s", n, map[bool]string{true: "delta", false: "snapshot"}[a.delta])
	for range n {
		if r.Err() != nil {
			return
		}
		a.frame()
	}
}

// isDelta says whether frames are those of a delta: they can be read as such to
// the end, or at least further than as those of a snapshot.
func isDelta(frames []byte) bool {
	snapshot, delta := wire.NewReader(frames), wire.NewReader(frames)
	readFrames(snapshot, false)
	if snapshot.Err() == nil && snapshot.Len() == 0 {
		return false
	}
	readFrames(delta, true)
	return delta.Err() == nil && delta.Len() == 0 || delta.Offset() > snapshot.Offset()
}

func (a *annotator) tags(from, to string) {
	origin := a.r.I64()
	a.note("%s state tag %016x", from, uint64(origin))
	tag := a.r.I64()
	a.note("%s state tag %016x", to, uint64(tag))
}

func (a *annotator) schemas() {
	n := a.r.Count()
	a.note("%d schemas", n)
	for range n {
		if a.r.Err() != nil {
			return
		}
		a.schema()
	}
	skip := a.r.Count()
	a.note("%d bytes to skip", skip)
	if skip > 0 && a.r.Bytes(uint64(skip)) != nil {
		a.note("skipped")
	}
}

func (a *annotator) headerTags() {
	n := int(a.r.U16())
	a.note("%d header tags", n)
	for range n {
		name := a.r.UTF()
		value := a.r.UTF()
		if a.r.Err() != nil {
			return
		}
		a.note("%q = %q", name, value)
	}
}

// schema reads a schema as a whole: its text says what is in it.
func (a *annotator) schema() *Schema {
	s := readSchema(a.r)
	if a.r.Err() != nil {
		return s
	}
	a.note("schema: %s", strings.Join(strings.Fields(s.String()), " "))
	return s
}

// frame reads a type as frame.read does.
func (a *annotator) frame() {
	a.r.Section("schema of a type")
	f := &frame{offset: a.r.Offset(), schema: a.schema()}
	a.r.Section("type " + f.schema.Name)
	shards := 1
	if a.r.Err() == nil && a.r.Count() != 0 {
		a.r.Bytes(uint64(a.r.Count()))
		shards = a.r.Count()
	}
	a.note("%d shards", shards)
	if shards == 0 || shards&(shards-1) != 0 || shards > a.r.Len() {
		a.r.Fail("shard count %d is not a power of two, or too large", shards)
		return
	}
	f.shards = make([]shard, shards) // ordinal needs their number
	if shards > 1 {
		m := readMax(a.r)
		a.note("greatest ordinal %d", m)
	}
	for i := range shards {
		if a.r.Err() != nil {
			return
		}
		a.shard(f, i)
	}
	if !a.delta && a.r.Err() == nil {
		a.populated()
	}
}

func (a *annotator) shard(f *frame, i int) {
	s := &f.shards[i]
	s.max = readMax(a.r)
	s.entries = s.max + 1
	a.note("%s, shard %d: greatest shard ordinal %d", f.schema.Name, i, s.max)
	if a.delta {
		s.removed = a.r.Gaps(s.max)
		a.note("%d ordinals are removed%s", len(s.removed), someOrdinals(f, i, s.removed))
		s.added = a.r.Gaps(s.max)
		a.note("%d ordinals are added%s", len(s.added), someOrdinals(f, i, s.added))
		s.entries = int64(len(s.added))
	}
	if f.schema.Kind == Object {
		a.objects(f, s)
	} else {
		a.collections(f, s)
	}
	if a.r.Err() != nil {
		return
	}
	rowBits := s.recordBits
	if f.schema.Kind != Object {
		rowBits = uint64(s.pointerBits + s.sizeBits)
	}
	if rowBits == 0 {
		return // nothing is written about any number of records
	}
	for e := range s.entries {
		o := f.ordinal(i, e)
		if a.delta {
			o = f.ordinal(i, int64(s.added[e]))
		}
		if f.schema.Kind == Object {
			a.say("%s %d: %s", f.schema.Name, o, s.object(f.schema, e))
		} else {
			a.say("%s %d: %s", f.schema.Name, o, s.collection(f.schema, e))
		}
	}
}

// someOrdinals lists the first of a shard's ordinals.
func someOrdinals(f *frame, i int, list []int32) string {
	text := ""
	for k, s := range list {
		if k == annotateList {
			return text + " …"
		}
		if k == 0 {
			text = ":"
		}
		text += fmt.Sprintf(" %d", f.ordinal(i, int64(s)))
	}
	return text
}

func (a *annotator) objects(f *frame, s *shard) {
	var widths []string
	for _, field := range f.schema.Fields {
		s.starts = append(s.starts, s.recordBits)
		w := readWidth(a.r)
		s.widths = append(s.widths, w)
		s.recordBits += uint64(w)
		widths = append(widths, fmt.Sprintf("%s %d", field.Name, w))
	}
	a.note("bits of each field: %s", strings.Join(widths, ", "))
	s.rows = a.r.Array()
	a.note("%d records of %d bits in %d words", s.entries, s.recordBits, s.rows.Bits()/64)
	for _, field := range f.schema.Fields {
		b := a.r.Bytes(a.r.Vlong())
		s.ranges = append(s.ranges, b)
		a.note("%d bytes of %v values of %s", len(b), field.Type, field.Name)
	}
	s.checkRows(a.r, s.recordBits)
}

func (a *annotator) collections(f *frame, s *shard) {
	s.pointerBits = readWidth(a.r)
	a.note("pointers of %d bits", s.pointerBits)
	if f.schema.Kind != List {
		s.sizeBits = readWidth(a.r)
		a.note("sizes of %d bits", s.sizeBits)
	}
	s.elementBits = readWidth(a.r)
	a.note("elements of %d bits", s.elementBits)
	if f.schema.Kind == Map {
		s.valueBits = readWidth(a.r)
		a.note("values of %d bits", s.valueBits)
	}
	total := a.r.Vlong()
	a.note("%d elements or buckets", total)
	s.rows = a.r.Array()
	a.note("%d pointers and sizes in %d words", s.entries, s.rows.Bits()/64)
	s.items = a.r.Array()
	a.note("elements or buckets in %d words", s.items.Bits()/64)
	s.checkRows(a.r, uint64(s.pointerBits+s.sizeBits))
}

// object shows the fields of entry e that take space.
func (s *shard) object(schema *Schema, e int64) string {
	var words []string
	for f, field := range schema.Fields {
		if s.widths[f] > 0 {
			words = append(words, field.Name+" = "+s.value(field.Type, f, e))
		}
	}
	return strings.Join(words, ", ")
}

func (s *shard) value(t FieldType, f int, e int64) string {
	w := s.widths[f]
	pos := uint64(e)*s.recordBits + s.starts[f]
	x := s.rows.At(pos, w)
	if t.variable() {
		end, start := x&wirebits.Mask(w-1), uint64(0)
		if e > 0 {
			start = s.rows.At(pos-s.recordBits, w) & wirebits.Mask(w-1)
		}
		if x>>(w-1) != 0 {
			return "null"
		}
		if start > end || end > uint64(len(s.ranges[f])) {
			return fmt.Sprintf("bytes %d to %d, which there are not", start, end)
		}
		return someText(t, s.ranges[f][start:end])
	}
	switch {
	case t == Float:
		return fmt.Sprint(math.Float32frombits(uint32(x)))
	case t == Double:
		return fmt.Sprint(math.Float64frombits(x))
	case x == wirebits.Mask(w):
		return "null"
	case t == Int, t == Long:
		return fmt.Sprint(int64(x>>1) ^ -int64(x&1))
	}
	return fmt.Sprint(x)
}

// someText shows the beginning of a STRING or BYTES value.
func someText(t FieldType, b []byte) string {
	more := ""
	if len(b) > annotateText {
		b, more = b[:annotateText], "…"
	}
	if t == Bytes {
		return fmt.Sprintf("%x%s", b, more)
	}
	return fmt.Sprintf("%q%s", wire.AppendText(nil, b), more)
}

// collection shows the first elements of entry e, of MAPs key → value; empty
// buckets are left out.
func (s *shard) collection(schema *Schema, e int64) string {
	rowBits, itemBits := uint64(s.pointerBits+s.sizeBits), uint64(s.elementBits+s.valueBits)
	end, start := s.rows.At(uint64(e)*rowBits, s.pointerBits), uint64(0)
	if e > 0 {
		start = s.rows.At(uint64(e-1)*rowBits, s.pointerBits)
	}
	text := fmt.Sprintf("%d to %d", start, end)
	if start > end || itemBits > 0 && end > s.items.Bits()/itemBits {
		return text + ", which there are not"
	}
	for k := start; k < end && itemBits > 0; k++ {
		if k == start+annotateList {
			text += " …"
			break
		}
		x := s.items.At(k*itemBits, s.elementBits)
		switch {
		case schema.Kind != List && x == wirebits.Mask(s.elementBits):
		case schema.Kind == Map:
			text += fmt.Sprintf(" %d→%d", x, s.items.At(k*itemBits+uint64(s.elementBits), s.valueBits))
		default:
			text += fmt.Sprintf(" %d", x)
		}
	}
	return text
}

// populated reads the ordinals of a type's records, the last part of a frame.
func (a *annotator) populated() {
	words := a.r.I32()
	a.note("%d words of populated ordinals", words)
	if words < 0 {
		a.r.Fail("count of populated words %d is negative", words)
		return
	}
	list := a.r.Words(uint64(words))
	if list.Bits() == 0 {
		return
	}
	var some []string
	n := 0
	for w := range int(list.Bits() / 64) {
		word := list.Word(w)
		n += bits.OnesCount64(word)
		for ; word != 0 && len(some) <= annotateList; word &= word - 1 {
			some = append(some, fmt.Sprint(w*64+bits.TrailingZeros64(word)))
		}
	}
	if len(some) > annotateList {
		some[annotateList] = "…"
	}
	a.note("%d ordinals are populated: %s", n, strings.Join(some, " "))
}
