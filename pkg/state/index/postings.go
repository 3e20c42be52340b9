package index

import (
	"iter"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// Postings are the records that have one key, by ascending ordinal. They are
// immutable and belong to the index that they come from. The zero Postings are
// empty.
type Postings struct {
	n    int
	k    uint
	data []byte // a short list, from ordinal 0 on
	long *long  // or a long one
}

// Len returns the number of records. It costs nothing.
func (p Postings) Len() int { return p.n }

// All yields the ordinals in ascending order.
func (p Postings) All() iter.Seq[state.Ordinal] {
	return func(yield func(state.Ordinal) bool) {
		c := p.Cursor()
		for o := c.Next(); o != state.NoOrdinal; o = c.Next() {
			if !yield(o) {
				return
			}
		}
	}
}

// Cursor returns a cursor in front of the first ordinal.
func (p Postings) Cursor() Cursor {
	if p.long == nil {
		return Cursor{r: riceReader{data: p.data, left: p.n, k: p.k}}
	}
	c := Cursor{long: p.long}
	c.enter(0, 0)
	return c
}

// A Cursor walks over Postings. It is for one reader at a time; copies are
// independent of each other.
type Cursor struct {
	r          riceReader
	now        state.Ordinal // what was returned last
	started    bool
	long       *long // nil: r is all
	run, block int
}

// enter goes to the start of a block.
func (c *Cursor) enter(run, block int) {
	c.run, c.block = run, block
	c.r = c.long.runs[run][block].reader()
}

// Next returns the next ordinal, or NoOrdinal at the end.
func (c *Cursor) Next() state.Ordinal {
	o := c.r.read()
	for o == state.NoOrdinal && c.more() {
		o = c.r.read()
	}
	c.now, c.started = o, true
	return o
}

// more goes to the next block.
func (c *Cursor) more() bool {
	if c.long == nil {
		return false
	}
	if c.block+1 < len(c.long.runs[c.run]) {
		c.enter(c.run, c.block+1)
		return true
	}
	if c.run+1 < len(c.long.runs) {
		c.enter(c.run+1, 0)
		return true
	}
	return false
}

// Seek returns the first ordinal that is not smaller than o, or NoOrdinal. It
// does not go back: what it is asked for must not fall.
func (c *Cursor) Seek(o state.Ordinal) state.Ordinal {
	if c.started && (c.now >= o || c.now == state.NoOrdinal) {
		return c.now
	}
	if c.long != nil {
		if run, block := c.long.find(o); run > c.run || run == c.run && block > c.block {
			c.enter(run, block)
		}
	}
	c.r.skip(o)
	next := c.Next()
	for next < o && next != state.NoOrdinal {
		next = c.Next()
	}
	return next
}

// appendTo appends all ordinals.
func (p Postings) appendTo(dst []state.Ordinal) []state.Ordinal {
	c := p.Cursor()
	for o := c.Next(); o != state.NoOrdinal; o = c.Next() {
		dst = append(dst, o)
	}
	return dst
}
