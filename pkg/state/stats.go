package state

import (
	"math/bits"

	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// typeStats are what the widths of a blob follow from. They cover the records
// of both sides of a transition, because a reader keeps those of one beside
// those of the other (Hollow, HollowTypeWriteState).
type typeStats struct {
	max    Ordinal // the greatest ordinal, or NoOrdinal
	some   bool    // there is a record
	widths []int   // OBJECT: bits per field
	texts  uint64  // OBJECT: bytes of all STRING and BYTES values

	maxElement, maxValue, maxSize uint64
}

// each calls f for the records of either side, each ordinal once.
func (t *typeTransition) each(f func(Record)) {
	for o := range t.next.Ordinals() {
		f(t.next.Record(o))
	}
	for _, o := range t.removed {
		f(t.prev.Record(o))
	}
}

// statistics returns the statistics, computed at the first call.
func (t *typeTransition) statistics() *typeStats {
	if t.stats != nil {
		return t.stats
	}
	s := &typeStats{max: t.next.Max()}
	if n := len(t.removed); n > 0 {
		s.max = max(s.max, t.removed[n-1])
	}
	t.stats = s
	if t.next.schema.Kind == Object {
		t.objectStatistics(s)
		return s
	}
	t.each(func(r Record) {
		s.some = true
		s.maxSize = max(s.maxSize, uint64(r.Len()))
		start, end := r.p.entries(r.slot())
		for e := start; e < end; e++ {
			s.maxElement = max(s.maxElement, r.p.entry(e, 0))
			s.maxValue = max(s.maxValue, r.p.entry(e, 1))
		}
	})
	return s
}

func (t *typeTransition) objectStatistics(s *typeStats) {
	fields := t.next.schema.Fields
	nums, texts := make([]uint64, len(fields)), make([]uint64, len(fields))
	t.each(func(r Record) {
		s.some = true
		for f, field := range fields {
			switch field.Type {
			case Boolean, Float, Double:
			case String, Bytes:
				text, _ := r.span(f)
				texts[f] += textSize(field.Type, text)
			default:
				nums[f] |= max(1, r.fixed(f)) // the bits of a maximum are what counts
			}
		}
	})
	for f, field := range fields {
		s.texts += texts[f]
		s.widths = append(s.widths, s.fieldWidth(field.Type, nums[f], texts[f]))
	}
}

func (s *typeStats) fieldWidth(t FieldType, num, texts uint64) int {
	switch {
	case t.variable():
		return bits.Len64(texts+1) + 1
	case !s.some:
		return 0
	case t == Boolean:
		return 2
	case t == Float:
		return 32
	case t == Double:
		return 64
	}
	return bits.Len64(num)
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
	out := make([]uint64, n)
	t.each(func(r Record) { out[int(r.ord)&(n-1)] += r.places() })
	return out
}

// places returns how many elements or buckets a collection takes in a blob.
func (r Record) places() uint64 {
	if r.t.schema.Kind == List {
		return uint64(r.Len())
	}
	return wire.TableSize(uint64(r.Len()))
}

func (s *typeStats) elementBits(k Kind) int {
	if k == List {
		return max(1, bits.Len64(s.maxElement))
	}
	return bits.Len64(s.maxElement + 1)
}

func (s *typeStats) valueBits(k Kind) int {
	if k == Map {
		return max(1, bits.Len64(s.maxValue))
	}
	return 0
}

func pointerBits(k Kind, totals []uint64) int {
	var most uint64
	for _, n := range totals {
		most = max(most, n)
	}
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
		row := 0
		for _, w := range s.widths {
			row += w
		}
		return uint64(row)*m/8 + s.texts
	}
	totals := t.totals(1)
	pointer := uint64(pointerBits(k, totals))
	items := uint64(s.elementBits(k)+s.valueBits(k)) * totals[0] / 8
	if k == List {
		if m == 0 {
			return items
		}
		return items + (pointer*(m-1)+1)/8
	}
	return (uint64(bits.Len64(s.maxSize))+pointer)*m/8 + items
}
