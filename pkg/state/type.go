package state

import (
	"iter"
	"math/bits"
)

// Type is the content of one type in one state. It is immutable and safe for
// any number of readers; most of its memory is shared with the versions before
// and after.
type Type struct {
	schema   *Schema
	state    *State // the state it belongs to
	shards   int    // as in blobs; memory is not sharded
	count    int    // populated ordinals
	pages    sparse[chunk]
	live     sparse[liveBlock]
	lays     *layouts
	counts   *lazyTally
	prevText []int16 // per field: the STRING or BYTES field before it, or -1
}

func newType(s *Schema, shards int) *Type {
	t := &Type{schema: s, shards: shards, lays: &layouts{}, counts: new(lazyTally)}
	t.prevText = make([]int16, len(s.Fields))
	prev := int16(-1)
	for f := range s.Fields {
		t.prevText[f] = prev
		if s.Fields[f].Type.variable() {
			prev = int16(f)
		}
	}
	return t
}

// Schema returns the type's schema, which must not be changed.
func (t *Type) Schema() *Schema { return t.schema }

// State returns the state that the type belongs to.
func (t *Type) State() *State { return t.state }

// NumShards returns the number of shards in the type's blobs.
func (t *Type) NumShards() int { return t.shards }

// Len returns the number of populated ordinals.
func (t *Type) Len() int { return t.count }

// Populated says whether o names a record.
func (t *Type) Populated(o Ordinal) bool {
	if o < 0 {
		return false
	}
	b := t.live.get(int(o) / chunkOrdinals)
	return b != nil && b[int(o)%chunkOrdinals/64]>>(uint(o)&63)&1 != 0
}

// Record returns the record o, which must be populated.
func (t *Type) Record(o Ordinal) Record { return Record{t, t.page(o), o} }

func (t *Type) page(o Ordinal) page {
	c := t.pages.get(int(o) / chunkOrdinals)
	if c == nil {
		return page{}
	}
	return c.pages[int(o)>>pageShift%chunkPages]
}

// Ordinals yields the populated ordinals in ascending order.
func (t *Type) Ordinals() iter.Seq[Ordinal] {
	return func(yield func(Ordinal) bool) {
		for i := range t.live.leaves() {
			b := t.live.get(i)
			if b == nil {
				continue
			}
			for w, word := range b {
				for ; word != 0; word &= word - 1 {
					o := i*chunkOrdinals + w*64 + bits.TrailingZeros64(word)
					if !yield(Ordinal(o)) {
						return
					}
				}
			}
		}
	}
}

// Max returns the greatest populated ordinal, or NoOrdinal.
func (t *Type) Max() Ordinal {
	for i := t.live.leaves() - 1; i >= 0; i-- {
		b := t.live.get(i)
		if b == nil {
			continue
		}
		for w := len(b) - 1; w >= 0; w-- {
			if b[w] != 0 {
				return Ordinal(i*chunkOrdinals + w*64 + 63 - bits.LeadingZeros64(b[w]))
			}
		}
	}
	return NoOrdinal
}
