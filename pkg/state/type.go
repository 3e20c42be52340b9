package state

import (
	"iter"
	"math"
	"math/bits"

	"github.com/holdfast-data/holdfast/pkg/state/internal/arena"
)

// Type is the content of one type in one state. It is immutable and safe for
// any number of readers; most of its memory is shared with the versions before
// and after.
type Type struct {
	schema   *Schema
	state    *State // the state it belongs to
	shards   int    // as in blobs; memory is not sharded
	count    int    // populated ordinals
	table    pageTable
	blocks   arena.Arena // the pages
	lays     *layoutList
	interned *layouts // where lays come from
	counts   *lazyTally
	keep     func(Record) bool // which records are loaded; nil if all are

	pageBytes int32 // of a page, on average
}

func newType(s *Schema, shards int) *Type {
	t := &Type{schema: s, shards: shards, counts: new(lazyTally)}
	t.intern(&layouts{})
	return t
}

// intern sets where the layouts come from.
func (t *Type) intern(ls *layouts) { t.interned, t.lays = ls, &ls.list }

// measure sets what pages are like on average, but for some at the end.
func (t *Type) measure() {
	if n := len(t.table) - 1; n >= 0 {
		t.pageBytes = int32(min(t.blocks.Used()/int64(n*chunkPages+t.table[n].pages()), math.MaxInt32))
	}
}

// pages returns how many pages the last of a table's chunks has, at least 1.
func (c *chunk) pages() int {
	n := chunkPages
	for n > 1 && c[n-1] == 0 {
		n--
	}
	return n
}

// Schema returns the type's schema, which must not be changed.
func (t *Type) Schema() *Schema { return t.schema }

// State returns the state that the type belongs to.
func (t *Type) State() *State { return t.state }

// NumShards returns the number of shards in the type's blobs.
func (t *Type) NumShards() int { return t.shards }

// Len returns the number of populated ordinals.
func (t *Type) Len() int { return t.count }

// entry returns the page-table entry for the page that holds o.
func (t *Type) entry(o Ordinal) entry {
	return t.table.get(int(uint32(o) >> chunkShift))[uint32(o)>>pageShift%chunkPages]
}

// Populated says whether o names a record.
func (t *Type) Populated(o Ordinal) bool {
	return o >= 0 && t.entry(o)>>(uint(o)%pageSize)&1 != 0
}

// Record returns the record o, which must be populated.
func (t *Type) Record(o Ordinal) Record {
	e := t.entry(o)
	if e == 0 {
		return Record{t: t, o: o}
	}
	return Record{t, t.lays.get(e.layout()), t.blocks.Page(e.handle()), o}
}

// Match is Record, if its field f, which is neither STRING nor BYTES, is what
// Record.Bits returns as bits. o may be unpopulated: it does not match.
func (t *Type) Match(o Ordinal, f int, bits uint64) (Record, bool) {
	e, i := t.entry(o), uint64(uint32(o)%pageSize)
	if e>>i&1 == 0 {
		return Record{}, false
	}
	lay, data := t.lays.get(e.layout()), t.blocks.Page(e.handle())
	c := lay.column(f) // as in number
	x := c.Number(data.Word(c.At(i)>>3), data.Word(c.Head), i)
	return Record{t, lay, data, o}, x == bits
}

// pageAt returns the page of an entry, the zero page if there is none.
func (t *Type) pageAt(e entry) page {
	if e == 0 {
		return page{}
	}
	return page{t.lays.get(e.layout()), t.blocks.Page(e.handle())}
}

// Ordinals yields the populated ordinals in ascending order.
func (t *Type) Ordinals() iter.Seq[Ordinal] {
	return func(yield func(Ordinal) bool) {
		for i, c := range t.table {
			for p, e := range c {
				for live := e.live(); live != 0; live &= live - 1 {
					o := i<<chunkShift | p<<pageShift | bits.TrailingZeros16(live)
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
	for i := len(t.table) - 1; i >= 0; i-- {
		c := t.table[i]
		for p := chunkPages - 1; p >= 0; p-- {
			if live := c[p].live(); live != 0 {
				return Ordinal(i<<chunkShift | p<<pageShift | (15 - bits.LeadingZeros16(live)))
			}
		}
	}
	return NoOrdinal
}

// word returns which of the 64 ordinals from w*64 on are populated.
func (c *chunk) word(w int) uint64 {
	e := c[4*w : 4*w+4]
	return uint64(e[0].live()) | uint64(e[1].live())<<16 | uint64(e[2].live())<<32 | uint64(e[3].live())<<48
}

const chunkWords = chunkOrdinals / 64
