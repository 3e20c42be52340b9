package state

import (
	"encoding/binary"
	"fmt"
	"io"

	wirebits "github.com/holdfast-data/holdfast/pkg/state/internal/bits"
	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// blobWriter collects bytes and passes them on in large pieces, to w if that is
// not nil.
type blobWriter struct {
	w     io.Writer
	buf   []byte
	err   error
	texts [][]byte // scratch: values of the fields of an OBJECT
}

const blobChunk = 1 << 20

func (w *blobWriter) spill() {
	if len(w.buf) >= blobChunk && w.w != nil {
		w.err = w.flush()
	}
}

// append appends bytes, many of them without a copy if they can be passed on.
func (w *blobWriter) append(b []byte) {
	if len(b) < blobChunk || w.w == nil {
		w.buf = append(w.buf, b...)
		w.spill()
		return
	}
	if w.err = w.flush(); w.err == nil {
		_, w.err = w.w.Write(b)
	}
}

func (w *blobWriter) flush() error {
	if w.err == nil && len(w.buf) > 0 {
		_, w.err = w.w.Write(w.buf)
	}
	w.buf = w.buf[:0]
	return w.err
}

// appendHeader appends everything before the frames of a main blob.
func appendHeader(b []byte, h Header, l Layout, schemas []*Schema) ([]byte, error) {
	b = binary.BigEndian.AppendUint32(b, blobVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(h.Origin))
	b = binary.BigEndian.AppendUint64(b, uint64(h.Tag))
	list := wire.AppendVint(nil, int32(len(schemas)))
	var err error
	for _, s := range schemas {
		if list, err = appendSchema(list, s); err != nil {
			return b, err
		}
	}
	b = wire.AppendVint(b, int32(len(list)+1)) // and the byte that skips nothing
	b = append(append(b, list...), 0)
	if len(h.Tags) > 1<<15-1 {
		return b, fmt.Errorf("%d header tags exceed 32767: %w", len(h.Tags), ErrNotStorable)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(h.Tags)))
	for _, name := range l.tags(h.Tags) {
		if b, err = appendNames(b, name, h.Tags[name]); err != nil {
			return b, err
		}
	}
	return b, nil
}

// appendNames appends texts in the form of names.
func appendNames(b []byte, names ...string) ([]byte, error) {
	var err error
	for _, s := range names {
		if b, err = wire.AppendUTF(b, s); err != nil {
			return b, err
		}
	}
	return b, nil
}

// appendSchema appends the binary form of a schema.
func appendSchema(b []byte, s *Schema) ([]byte, error) {
	plain, keyed := byte(0), byte(6)
	names := []string{s.Name}
	switch s.Kind {
	case List:
		plain, names = 2, append(names, s.Element)
	case Set:
		plain, keyed, names = 1, 4, append(names, s.Element)
	case Map:
		plain, keyed, names = 3, 5, append(names, s.Element, s.Value)
	}
	kind := plain
	if len(s.Key) > 0 {
		kind = keyed
	}
	b, err := appendNames(append(b, kind), names...)
	if err == nil && len(s.Key) > 0 {
		b, err = appendNames(wire.AppendVint(b, int32(len(s.Key))), s.Key...)
	}
	if err != nil || s.Kind != Object {
		return b, err
	}
	if len(s.Fields) > 1<<15-1 {
		return b, fmt.Errorf("type %s has %d fields, more than 32767: %w", s.Name, len(s.Fields), ErrNotStorable)
	}
	b = binary.BigEndian.AppendUint16(b, uint16(len(s.Fields)))
	for _, f := range s.Fields {
		names := []string{f.Name, f.Type.String()}
		if f.Type == Reference {
			names = append(names, f.Ref)
		}
		if b, err = appendNames(b, names...); err != nil {
			return b, err
		}
	}
	return b, nil
}

// frameStart appends a frame's schema and shard header.
func (t *typeTransition) frameStart(w *blobWriter, shards int) error {
	b, err := appendSchema(w.buf, t.next.schema)
	if err != nil {
		return err
	}
	b = wire.AppendVint(b, int32(1+wire.SizeVint(int32(shards))))
	b = append(b, 0)
	w.buf = wire.AppendVint(b, int32(shards))
	if shards > 1 {
		w.buf = wire.AppendVint(w.buf, int32(t.statistics().max))
	}
	return nil
}

// maxShard returns the greatest shard ordinal of shard i of n, or -1.
func (s *typeStats) maxShard(i, n int) int {
	all := int(s.max) + 1
	m := all/n - 1
	if i < all%n {
		m++
	}
	return m
}

// snapshotPieces returns the pieces of the type's frame.
func (t *typeTransition) snapshotPieces(populated int) []blobPiece {
	n := t.next.shards
	pieces := []blobPiece{func(w *blobWriter) error { return t.frameStart(w, n) }}
	var totals []uint64
	if t.next.schema.Kind != Object {
		totals = t.totals(n)
	}
	for i := range n {
		s := shardWriter{t: t, from: t.next, entries: t.statistics().maxShard(i, n) + 1, totals: totals, shard: i, padded: true}
		s.at = func(k int) (Ordinal, bool) {
			o := Ordinal(k*n + i)
			return o, t.next.Populated(o)
		}
		pieces = append(pieces, func(w *blobWriter) error {
			w.buf = wire.AppendVint(w.buf, int32(s.entries-1))
			s.write(w)
			return nil
		})
	}
	return append(pieces, func(w *blobWriter) error {
		t.writePopulated(w, populated)
		return nil
	})
}

func (t *typeTransition) writePopulated(w *blobWriter, words int) {
	w.buf = binary.BigEndian.AppendUint32(w.buf, uint32(words))
	for word := range words {
		x := t.next.table.get(word / chunkWords).word(word % chunkWords)
		w.buf = binary.BigEndian.AppendUint64(w.buf, x)
	}
	w.spill()
}

func (t *typeTransition) writeDelta(w *blobWriter, reverse bool) error {
	from, added, removed, n := t.next, t.added, t.removed, t.next.shards
	if reverse {
		from, added, removed = t.prev, t.removed, t.added
		if t.prev != nil {
			n = t.prev.shards
		}
	}
	if err := t.frameStart(w, n); err != nil {
		return err
	}
	var totals []uint64
	if t.next.schema.Kind != Object {
		totals = t.totals(n)
	}
	for i := range n {
		own := shardOrdinals(added, i, n)
		s := shardWriter{t: t, from: from, entries: len(own), totals: totals, shard: i}
		s.at = func(k int) (Ordinal, bool) { return Ordinal(int(own[k])*n + i), true }
		w.buf = wire.AppendVint(w.buf, int32(t.statistics().maxShard(i, n)))
		w.buf = wire.AppendGaps(w.buf, shardOrdinals(removed, i, n))
		w.buf = wire.AppendGaps(w.buf, own)
		s.write(w)
	}
	return w.err
}

// shardOrdinals returns the shard ordinals of those that lie in shard i of n.
func shardOrdinals(list []Ordinal, i, n int) []int32 {
	var out []int32
	for _, o := range list {
		if int(o)&(n-1) == i {
			out = append(out, int32(int(o)/n))
		}
	}
	return out
}

// shardWriter writes the records of one shard.
type shardWriter struct {
	t       *typeTransition
	from    *Type // holds the records
	entries int
	at      func(k int) (o Ordinal, populated bool)
	shard   int
	totals  []uint64 // elements or buckets per shard
	padded  bool     // items have room for the total, as Java's snapshots do
}

func (s *shardWriter) write(w *blobWriter) {
	if s.t.next.schema.Kind == Object {
		s.writeObject(w)
	} else {
		s.writeCollection(w)
	}
	w.spill()
}

func (s *shardWriter) writeObject(w *blobWriter) {
	fields, widths := s.t.next.schema.Fields, s.t.statistics().widths
	row := uint64(0)
	for _, width := range widths {
		w.buf = wire.AppendVint(w.buf, int32(width))
		row += uint64(width)
	}
	var rows wirebits.Packer
	rows.Reset(row * uint64(s.entries))
	texts := s.textsIn(w)
	pos := uint64(0)
	for k := range s.entries {
		o, populated := s.at(k)
		var r Record
		if populated {
			r = s.from.Record(o)
		}
		for f, field := range fields {
			x := uint64(len(texts[f]))
			switch {
			case !populated:
			case field.Type.variable():
				x, texts[f] = textEntry(r, f, field.Type, widths[f], texts[f])
			default:
				x = blobNumber(r.fixed(f), widths[f], field.Type)
			}
			rows.Set(pos, widths[f], x)
			pos += uint64(widths[f])
		}
	}
	w.buf = wire.AppendWords(w.buf, rows.Words())
	for f := range fields {
		w.buf = wire.AppendVlong(w.buf, uint64(len(texts[f])))
		w.append(texts[f])
	}
}

// textsIn returns an empty buffer for each field, with room for values of average
// length if these are many: one that grows by and by takes several times as much.
func (s *shardWriter) textsIn(w *blobWriter) [][]byte {
	all := s.t.statistics().all
	for f, n := range all.texts {
		if f == len(w.texts) {
			w.texts = append(w.texts, nil)
		}
		room := min(n, (n/uint64(max(1, all.count))+1)*uint64(s.entries))
		if room += room / 64; room >= blobChunk && room > uint64(cap(w.texts[f])) {
			w.texts[f] = make([]byte, 0, room)
		}
		w.texts[f] = w.texts[f][:0]
	}
	return w.texts
}

// textEntry appends a STRING or BYTES value to its range and returns its entry.
func textEntry(r Record, f int, t FieldType, width int, text []byte) (uint64, []byte) {
	value, null := r.span(f)
	if null {
		return uint64(len(text)) | 1<<(width-1), text
	}
	if t == Bytes {
		text = append(text, value...)
	} else {
		text = wire.AppendString(text, value)
	}
	return uint64(len(text)), text
}

// blobNumber turns a page's number into a blob's of that width.
func blobNumber(x uint64, width int, t FieldType) uint64 {
	if t == Float || t == Double {
		return x
	}
	return (x - 1) & wirebits.Mask(width) // null is all ones
}

func (s *shardWriter) writeCollection(w *blobWriter) {
	stats, kind := s.t.statistics(), s.t.next.schema.Kind
	pointer, size := pointerBits(kind, s.totals), 0
	element, value := stats.elementBits(), stats.valueBits(kind)
	w.buf = wire.AppendVint(w.buf, int32(pointer))
	if kind != List {
		size = stats.sizeBits()
		w.buf = wire.AppendVint(w.buf, int32(size))
	}
	w.buf = wire.AppendVint(w.buf, int32(element))
	if kind == Map {
		w.buf = wire.AppendVint(w.buf, int32(value))
	}
	w.buf = wire.AppendVlong(w.buf, s.totals[s.shard])
	items := s.items()
	var rows, packed wirebits.Packer
	rows.Reset(uint64(s.entries) * uint64(pointer+size))
	packed.Reset(items * uint64(element+value))
	next, pos := uint64(0), uint64(0)
	for k := range s.entries {
		n := 0
		if o, populated := s.at(k); populated {
			r := s.from.Record(o)
			n = r.Len()
			r.pack(&packed, next, element, value)
			next += r.places()
		}
		rows.Set(pos, pointer, next)
		rows.Set(pos+uint64(pointer), size, uint64(n))
		pos += uint64(pointer + size)
	}
	w.buf = wire.AppendWords(w.buf, rows.Words())
	w.buf = wire.AppendWords(w.buf, packed.Words())
}

// items returns how many elements or buckets the shard's array has room for.
func (s *shardWriter) items() uint64 {
	if s.padded {
		return s.totals[s.shard]
	}
	var n uint64
	for k := range s.entries {
		o, _ := s.at(k)
		n += s.from.Record(o).places()
	}
	return n
}

// pack writes the elements or buckets of a collection from place first on.
func (r Record) pack(out *wirebits.Packer, first uint64, element, value int) {
	width := uint64(element + value)
	p := r.page()
	start, end := p.entries(r.slot())
	if r.t.schema.Kind == List {
		for e := start; e < end; e++ {
			out.Set((first+e-start)*width, element, p.entry(e, 0))
		}
		return
	}
	bucket := uint64(0)
	fill := func(until uint64) {
		for ; bucket < until; bucket++ {
			out.Set((first+bucket)*width, element, wirebits.Mask(element))
		}
	}
	for e := start; e < end; e++ {
		at := p.entry(e, 2)
		fill(at)
		out.Set((first+at)*width, element, p.entry(e, 0))
		out.Set((first+at)*width+uint64(element), value, p.entry(e, 1))
		bucket = at + 1
	}
	fill(r.places())
}
