package state

import (
	"math/bits"
	"slices"
	"sync"

	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// A tally counts what the widths of a blob follow from, in a form to which
// records can be added and from which they can be taken, so that it costs what
// changed. Widths cover the records of both sides of a transition, because a
// reader keeps those of one beside those of the other (Hollow,
// HollowTypeWriteState).
type tally struct {
	count  int
	fields []widthCounts // OBJECT: numbers of each field, null counts as 1 bit
	texts  []uint64      // OBJECT: bytes of each STRING or BYTES field in a blob

	elements, values, sizes widthCounts // LIST, SET and MAP
	places                  []uint64    // elements or buckets, by shard
}

// widthCounts has the number of values of each width in bits.
type widthCounts [65]int32

// widest returns the greatest width that occurs, 0 if there is none.
func (w *widthCounts) widest() int {
	for i := len(w) - 1; i > 0; i-- {
		if w[i] > 0 {
			return i
		}
	}
	return 0
}

func newTally(s *Schema, shards int) *tally {
	if s.Kind != Object {
		return &tally{places: make([]uint64, shards)}
	}
	return &tally{fields: make([]widthCounts, len(s.Fields)), texts: make([]uint64, len(s.Fields))}
}

func (c *tally) clone() *tally {
	next := *c
	next.fields, next.texts, next.places = slices.Clone(c.fields), slices.Clone(c.texts), slices.Clone(c.places)
	return &next
}

// add counts a record sign times: 1 adds it, -1 takes it away.
func (c *tally) add(r Record, sign int) {
	c.count += sign
	one := int32(sign)
	if k := r.t.schema.Kind; k != Object {
		c.addEntries(r, k, sign)
		return
	}
	for f, field := range r.t.schema.Fields {
		switch field.Type {
		case Boolean, Float, Double:
		case String, Bytes:
			text, _ := r.span(f)
			c.texts[f] += uint64(sign) * textSize(field.Type, text)
		default:
			c.fields[f][bits.Len64(max(1, r.fixed(f)))] += one
		}
	}
}

func (c *tally) addEntries(r Record, k Kind, sign int) {
	one, extra := int32(sign), uint64(1)
	if k == List {
		extra = 0 // only hash tables have a number that says "empty"
	}
	p := r.page()
	start, end := p.entries(r.slot())
	for e := start; e < end; e++ {
		c.elements[bits.Len64(p.entry(e, 0)+extra)] += one
		c.values[bits.Len64(p.entry(e, 1))] += one
	}
	c.sizes[bits.Len64(end-start)] += one
	c.places[int(r.Ordinal())&(len(c.places)-1)] += uint64(sign) * r.places()
}

// lazyTally is a type's tally, made when it is first asked for.
type lazyTally struct {
	once sync.Once
	t    *tally
}

// tally returns the counts of a type's records, which must not be changed.
func (t *Type) tally() *tally {
	t.counts.once.Do(func() {
		if t.counts.t != nil {
			return
		}
		c := newTally(t.schema, t.shards)
		for o := range t.Ordinals() {
			c.add(t.Record(o), 1)
		}
		t.counts.t = c
	})
	return t.counts.t
}

// tallyByShard makes the tally count by shard after the type has got another
// number of these.
func (t *Type) tallyByShard() {
	if t.schema.Kind == Object {
		return
	}
	c := *t.tally()
	c.places = make([]uint64, t.shards)
	for o := range t.Ordinals() {
		c.places[int(o)&(t.shards-1)] += t.Record(o).places()
	}
	t.counts = &lazyTally{t: &c}
}

// tallyFrom gives t, which a change of base led to, base's tally with the
// change.
func (t *Type) tallyFrom(base *Type, c Change) {
	next := base.tally().clone()
	for _, o := range c.Removed {
		next.add(base.Record(o), -1)
	}
	for _, o := range c.Added {
		next.add(t.Record(o), 1)
	}
	t.counts.t = next
}

// typeStats are the widths and sizes of one type's frames.
type typeStats struct {
	all    *tally
	max    Ordinal // the greatest ordinal, or NoOrdinal
	widths []int   // OBJECT: bits per field
}

// statistics returns the statistics of both sides, computed at the first call.
func (t *typeTransition) statistics() *typeStats {
	if t.stats != nil {
		return t.stats
	}
	s := &typeStats{all: t.next.tally(), max: t.next.Max()}
	if n := len(t.removed); n > 0 {
		s.max = max(s.max, t.removed[n-1])
		s.all = s.all.clone()
		for _, o := range t.removed {
			s.all.add(t.prev.Record(o), 1)
		}
	}
	for f, field := range t.next.schema.Fields {
		s.widths = append(s.widths, s.fieldWidth(field.Type, f))
	}
	t.stats = s
	return s
}

func (s *typeStats) fieldWidth(t FieldType, f int) int {
	switch {
	case t.variable():
		return bits.Len64(s.all.texts[f]+1) + 1
	case s.all.count == 0:
		return 0
	case t == Boolean:
		return 2
	case t == Float:
		return 32
	case t == Double:
		return 64
	}
	return s.all.fields[f].widest()
}

// textSize returns the length of a value in a blob.
func textSize(t FieldType, text []byte) uint64 {
	if t == Bytes {
		return uint64(len(text))
	}
	for _, c := range text {
		if c >= 0x80 {
			return uint64(len(wire.AppendString(nil, text)))
		}
	}
	return uint64(len(text))
}

// totals returns, for n shards, the number of elements or buckets in each.
func (t *typeTransition) totals(n int) []uint64 {
	if all := t.statistics().all.places; len(all) == n {
		return all
	}
	out := make([]uint64, n)
	for o := range t.next.Ordinals() {
		out[int(o)&(n-1)] += t.next.Record(o).places()
	}
	for _, o := range t.removed {
		out[int(o)&(n-1)] += t.prev.Record(o).places()
	}
	return out
}

// places returns how many elements or buckets a collection takes in a blob.
func (r Record) places() uint64 {
	if r.t.schema.Kind == List {
		return uint64(r.Len())
	}
	return wire.TableSize(uint64(r.Len()))
}

// elementBits, valueBits and sizeBits are the widths of a collection's parts;
// a hash table's elements have one number more, for empty buckets.
func (s *typeStats) elementBits() int { return max(1, s.all.elements.widest()) }

func (s *typeStats) valueBits(k Kind) int {
	if k == Map {
		return max(1, s.all.values.widest())
	}
	return 0
}

func (s *typeStats) sizeBits() int { return s.all.sizes.widest() }

func pointerBits(k Kind, totals []uint64) int {
	most := slices.Max(totals)
	if k == List {
		return max(1, bits.Len64(most))
	}
	return bits.Len64(most)
}

// targetShardBytes is Hollow's default for a producer.
const targetShardBytes = 16 << 20

// shardsFor returns the shard count of a type that is written for the first
// time, as Hollow's producer chooses it.
func shardsFor(t *typeTransition) int {
	size := t.projectedBytes()
	n := 1
	for uint64(n)*targetShardBytes < size {
		n *= 2
	}
	return n
}

func (t *typeTransition) projectedBytes() uint64 {
	s := t.statistics()
	m := uint64(s.max + 1)
	k := t.next.schema.Kind
	if k == Object {
		row, texts := 0, uint64(0)
		for f, w := range s.widths {
			row += w
			texts += s.all.texts[f]
		}
		return uint64(row)*m/8 + texts
	}
	totals := t.totals(1)
	pointer := uint64(pointerBits(k, totals))
	items := uint64(s.elementBits()+s.valueBits(k)) * totals[0] / 8
	if k == List {
		if m == 0 {
			return items
		}
		return items + (pointer*(m-1)+1)/8
	}
	return (uint64(s.sizeBits())+pointer)*m/8 + items
}
