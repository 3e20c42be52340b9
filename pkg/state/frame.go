package state

import (
	"math/bits"
	"slices"
	"strings"
	"sync"

	wirebits "github.com/holdfast-data/holdfast/pkg/state/internal/bits"
	"github.com/holdfast-data/holdfast/pkg/state/internal/scratch"
	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// Versions of the blob format.
const (
	blobVersion = 1030
	partVersion = 1031
)

// A frame is one type of a blob, parsed but not decoded: its arrays are views
// of the blob.
type frame struct {
	schema  *Schema
	shards  []shard
	live    wirebits.BlobWords // populated ordinals, of a snapshot
	offset  int                // where it begins, for errors
	allow   *allowance         // shared by the frames of a blob
	buffers [][]byte           // what the arrays are views of, if it is not the blob
	pool    *scratch.Pool      // that they are from, if there are any
	passing bool               // what was decoded is given back at once

	mu    sync.Mutex
	whole map[int]wirebits.Words // items of shards that allItems was asked for
}

// allItems returns the array of a shard's entries, which is turned once for all who
// decode the frame.
func (f *frame) allItems(shard int) wirebits.Words {
	f.mu.Lock()
	defer f.mu.Unlock()
	w, ok := f.whole[shard]
	if !ok {
		if f.whole == nil {
			f.whole = make(map[int]wirebits.Words)
		}
		w = f.shards[shard].items.Turn()
		f.whole[shard] = w
	}
	return w
}

// free gives back the memory of a frame that nobody reads any more.
func (f *frame) free() {
	for i := range f.shards {
		if f.passing && f.pool == nil {
			f.shards[i].release()
		}
	}
	f.shards, f.whole, f.live = nil, nil, wirebits.BlobWords{}
	for _, b := range f.buffers {
		f.pool.Free(b)
	}
}

// A shard holds the records of one shard: entry e belongs to shard ordinal e in
// a snapshot and to the e'th added ordinal in a delta.
type shard struct {
	max            int64
	removed, added []int32
	entries        int64

	// OBJECT
	widths     []int
	starts     []uint64 // bit offset of each field in a record
	recordBits uint64
	ranges     [][]byte

	// LIST, SET and MAP
	pointerBits, sizeBits, elementBits, valueBits int
	most                                          uint64 // elements or buckets that items has room for, if they take any

	rows  wirebits.BlobWords // OBJECT records, or pointers and sizes
	items wirebits.BlobWords // LIST elements, SET buckets, MAP entries
}

// release gives back the arrays, of a mapped file.
func (s *shard) release() {
	scratch.Release(s.rows.Bytes())
	scratch.Release(s.items.Bytes())
	for _, b := range s.ranges {
		scratch.Release(b)
	}
}

// rowBits returns how much of rows a record takes.
func (s *shard) rowBits() uint64 { return s.recordBits + uint64(s.pointerBits+s.sizeBits) }

// itemBits returns how much an element, bucket or entry takes.
func (s *shard) itemBits() int { return s.elementBits + s.valueBits }

// readHeader reads everything before the frames of a main blob.
func readHeader(r *wire.Reader) (Header, []*Schema) {
	r.Section("header")
	if v := r.I32(); v != blobVersion {
		r.Fail("format version %d is not %d: not a Hollow blob", v, blobVersion)
	}
	h := Header{Origin: r.I64(), Tag: r.I64()}
	var schemas []*Schema
	if envelope := r.Vint(); envelope != 0 {
		schemas = readSchemas(r)
		r.Bytes(uint64(r.Count()))
	}
	h.Tags = map[string]string{}
	for range r.U16() {
		if r.Err() != nil {
			break
		}
		name := r.UTF()
		h.Tags[name] = r.UTF()
		h.order = append(h.order, name)
	}
	return h, schemas
}

// readPartHeader reads everything before the frames of an optional part.
func readPartHeader(r *wire.Reader, name string) Header {
	r.Section("header of part " + name)
	if v := r.I32(); v != partVersion {
		r.Fail("format version %d is not %d: not a part of a Hollow blob", v, partVersion)
	}
	if got := r.UTF(); got != name {
		r.Fail("part is called %q, not %q", got, name)
	}
	h := Header{Origin: r.I64(), Tag: r.I64()}
	readSchemas(r)
	r.Bytes(uint64(r.Count()))
	return h
}

func readSchemas(r *wire.Reader) []*Schema {
	var out []*Schema
	for range r.Count() {
		if r.Err() != nil {
			break
		}
		out = append(out, readSchema(r))
	}
	return out
}

func readSchema(r *wire.Reader) *Schema {
	kind := r.U8()
	s := &Schema{Name: strings.Clone(r.UTF())}
	if s.Name == "" {
		r.Fail("type has no name")
	}
	switch kind {
	case 0, 6:
		s.Kind = Object
		if kind == 6 {
			s.Key = readPaths(r)
		}
		s.Fields = readFields(r)
	case 2:
		s.Kind, s.Element = List, r.UTF()
	case 1, 4:
		s.Kind, s.Element = Set, r.UTF()
		if kind == 4 {
			s.Key = readPaths(r)
		}
	case 3, 5:
		s.Kind, s.Element, s.Value = Map, r.UTF(), r.UTF()
		if kind == 5 {
			s.Key = readPaths(r)
		}
	default:
		r.Fail("schema kind %d is unknown", kind)
	}
	return s
}

func readPaths(r *wire.Reader) []string {
	var out []string
	for range r.Count() {
		if r.Err() != nil {
			break
		}
		out = append(out, r.UTF())
	}
	return out
}

func readFields(r *wire.Reader) []Field {
	var out []Field
	for range r.U16() {
		if r.Err() != nil {
			break
		}
		f := Field{Name: r.UTF()}
		name := r.UTF()
		t := slices.Index(fieldTypeNames[:], name)
		if t <= 0 {
			r.Fail("field type %.20q is unknown", name)
			break
		}
		f.Type = FieldType(t)
		if f.Type == Reference {
			f.Ref = r.UTF()
		}
		out = append(out, f)
	}
	return out
}

// readFrames reads the frames of a snapshot or, with delta set, of a delta.
func readFrames(r *wire.Reader, delta bool) (out []*frame) {
	eachFrame(r, delta, nil, func(f *frame) error {
		out = append(out, f)
		return nil
	})
	if r.Err() != nil {
		return nil
	}
	return out
}

// eachFrame calls do with each frame as soon as it is read, until it fails; then
// r fails with that. A frame of a snapshot is passed over unless want, which is told
// the frame before it is read, says that it is wanted. want may be nil.
func eachFrame(r *wire.Reader, delta bool, want func(*frame) (bool, error), do func(*frame) error) {
	r.Section("type count")
	seen := map[string]bool{}
	for range r.Count() {
		r.Section("schema of a type")
		f := &frame{offset: r.Offset(), schema: readSchema(r)}
		if r.Err() != nil {
			return
		}
		if seen[f.schema.Name] {
			r.Fail("type %s stands twice", f.schema.Name)
			return
		}
		seen[f.schema.Name] = true
		if want != nil {
			wanted, err := want(f)
			if err != nil {
				r.FailWith(err)
				return
			}
			if !wanted {
				f.skip(r)
				continue
			}
		}
		f.read(r, delta)
		if r.Err() != nil {
			return
		}
		if err := do(f); err != nil {
			r.FailWith(err)
			return
		}
	}
}

// readShards reads what comes before the shards and returns how many there are, 0
// after a failure.
func (f *frame) readShards(r *wire.Reader) int {
	r.Section("type " + f.schema.Name)
	shards := 1
	if r.Count() != 0 {
		r.Skip(uint64(r.Count()))
		shards = r.Count()
	}
	if shards == 0 || shards&(shards-1) != 0 {
		r.Fail("shard count %d is not a power of two", shards)
		return 0
	}
	if shards > r.Len() {
		r.Fail("%d shards are announced, %d bytes are left", shards, r.Len())
		return 0
	}
	if shards > 1 {
		readMax(r)
	}
	return shards
}

// skip passes over the frame of a snapshot.
func (f *frame) skip(r *wire.Reader) {
	shards := f.readShards(r)
	for i := 0; i < shards && r.Err() == nil; i++ {
		readMax(r)
		if f.schema.Kind == Object {
			skipObject(r, len(f.schema.Fields))
			continue
		}
		readWidth(r) // of pointers
		if f.schema.Kind != List {
			readWidth(r) // of sizes
		}
		readWidth(r) // of elements
		if f.schema.Kind == Map {
			readWidth(r) // of values
		}
		r.Vlong()
		r.SkipArray()
		r.SkipArray()
	}
	r.SkipWords(readPopulated(r))
}

// skipObject passes over a shard of an OBJECT type.
func skipObject(r *wire.Reader, fields int) {
	for i := 0; i < fields && r.Err() == nil; i++ {
		readWidth(r)
	}
	r.SkipArray()
	for i := 0; i < fields && r.Err() == nil; i++ {
		r.Skip(r.Vlong())
	}
}

// readPopulated reads how many words of populated bits there are.
func readPopulated(r *wire.Reader) uint64 {
	words := r.I32()
	if words < 0 {
		r.Fail("count of populated words %d is negative", words)
	}
	return uint64(max(words, 0))
}

func (f *frame) read(r *wire.Reader, delta bool) {
	for range f.readShards(r) {
		s := shard{max: readMax(r)}
		s.entries = s.max + 1
		if delta {
			s.removed = r.Gaps(s.max)
			s.added = r.Gaps(s.max)
			s.entries = int64(len(s.added))
		}
		s.read(r, f.schema)
		if r.Err() != nil {
			return
		}
		f.shards = append(f.shards, s)
	}
	if !delta {
		f.live = r.Words(readPopulated(r))
	}
}

func readMax(r *wire.Reader) int64 {
	m := r.Vint()
	if m < -1 || m > MaxOrdinal {
		r.Fail("greatest ordinal %d is out of range", m)
		return -1
	}
	return int64(m)
}

func (s *shard) read(r *wire.Reader, schema *Schema) {
	if schema.Kind == Object {
		s.readObject(r, schema)
		return
	}
	s.pointerBits = readWidth(r)
	if schema.Kind != List {
		s.sizeBits = readWidth(r)
	}
	s.elementBits = readWidth(r)
	if schema.Kind == Map {
		s.valueBits = readWidth(r)
	}
	if s.elementBits > 31 || s.valueBits > 31 {
		r.Fail("elements of %d and %d bits are wider than 31", s.elementBits, s.valueBits)
	}
	r.Vlong() // total elements or buckets; the pointers say it too
	s.rows = r.Array()
	s.items = r.Array()
	if n := uint64(s.elementBits + s.valueBits); n > 0 {
		s.most = s.items.Bits() / n
	}
	s.checkRows(r, s.rowBits())
}

func (s *shard) readObject(r *wire.Reader, schema *Schema) {
	for range schema.Fields {
		s.starts = append(s.starts, s.recordBits)
		w := readWidth(r)
		s.widths = append(s.widths, w)
		s.recordBits += uint64(w)
	}
	s.rows = r.Array()
	for range schema.Fields {
		s.ranges = append(s.ranges, r.Bytes(r.Vlong()))
	}
	s.checkRows(r, s.recordBits)
}

func (s *shard) checkRows(r *wire.Reader, rowBits uint64) {
	hi, need := bits.Mul64(rowBits, uint64(s.entries))
	if hi != 0 || need > s.rows.Bits() {
		r.Fail("%d records of %d bits do not fit in %d bits", s.entries, rowBits, s.rows.Bits())
	}
}

func readWidth(r *wire.Reader) int {
	w := r.Count()
	if w > 64 {
		r.Fail("width of %d bits exceeds 64", w)
		return 0
	}
	return w
}

// size returns the length of the records in the frame, in bytes.
func (f *frame) size() (n int64) {
	for i := range f.shards {
		s := &f.shards[i]
		n += int64(s.rows.Bits()+s.items.Bits()) / 8
		for _, r := range s.ranges {
			n += int64(len(r))
		}
	}
	return n
}

// ordinal returns the type's ordinal of shard ordinal s in shard i.
func (f *frame) ordinal(i int, s int64) Ordinal {
	return Ordinal(s*int64(len(f.shards)) + int64(i))
}
