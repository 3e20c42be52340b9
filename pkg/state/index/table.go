package index

import (
	"math/bits"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/internal/arena"
	bytebits "github.com/holdfast-data/holdfast/pkg/state/internal/bits"
)

// table is a hash table from hashes to ordinals that versions share. The hash
// names a group, a block in it and a tag; an entry lies in its block or, if
// that is full, in one behind it. The caller compares keys. Equal hashes may
// stand in it any number of times. It has a fixed number of groups: when it
// does not fit its content any more, its owner builds another one.
type table struct {
	dir    []*[dirSize]arena.Handle
	blocks arena.Arena
	groups uint64
	count  int      // entries
	long   []uint64 // groups that others are behind, ascending: few
}

// place is where entries with one hash belong.
type place struct {
	group uint64
	block int
	tag   byte
}

func (t *table) placeOf(hash uint64) place {
	group, _ := bits.Mul64(hash, t.groups)
	return placeIn(group, uint32(hash))
}

// placeIn returns the place in a group of entries with hashes that end so.
func placeIn(group uint64, rest uint32) place {
	return place{group, int(rest) & (blocksPerGroup - 1), byte(rest >> 8)}
}

// group returns the blocks of a group, zeros if it has none.
func (t *table) group(i uint64) bytebits.Page {
	return t.blocks.Page(t.dir[i>>dirShift][i%dirSize])
}

// fits says whether a table of so many groups is a good one for n entries.
func (t *table) fits(n int) bool {
	return uint64(n) <= t.groups*mostFill && (t.groups <= 1 || uint64(n) >= t.groups*leastFill)
}

// probe returns a walk over the entries that may have that hash.
func (t *table) probe(hash uint64) probe {
	if t.groups == 0 {
		return probe{}
	}
	p := t.placeOf(hash)
	return t.walk(t.group(p.group), p)
}

func (t *table) walk(g bytebits.Page, p place) probe {
	return probe{
		t: t, group: g, more: true, at: p.block, first: p.block, tag: p.tag,
		left: matches(blockAt(g, p.block), p.tag),
	}
}

// probe walks the entries that may have a hash.
type probe struct {
	t         *table
	group     bytebits.Page
	more      bool // than what next returned
	at, first int  // the block, and that where the walk began
	tag       byte
	left      uint64 // of the block's matches
}

// next returns the next candidate, or NoOrdinal.
func (p *probe) next() state.Ordinal {
	for p.more {
		b := blockAt(p.group, p.at)
		for p.left != 0 {
			i := entryOf(p.left)
			p.left &= p.left - 1
			if i < used(b) {
				return ordinalAt(b, i)
			}
		}
		p.advance(b)
	}
	return state.NoOrdinal
}

// advance goes to the block behind b.
func (p *probe) advance(b *[blockBytes]byte) {
	if p.more = b[usedAt]&passed != 0; !p.more {
		return
	}
	if p.at = (p.at + 1) % blocksPerGroup; p.at == p.first {
		h := link(p.group.Bytes(0, groupBytes))
		if p.more = h != 0; !p.more {
			return
		}
		p.group = p.t.blocks.Page(h)
	}
	p.left = matches(blockAt(p.group, p.at), p.tag)
}

// eachGroup calls f with the entries of each group until it says false.
func (t *table) eachGroup(f func([]state.Ordinal) bool) {
	var c chain
	var list []state.Ordinal
	for i := range t.groups {
		list = list[:0]
		c.load(t, i)
		for k := range c.groups() * blocksPerGroup {
			b := c.block(k)
			for n := range used(b) {
				list = append(list, ordinalAt(b, n))
			}
		}
		if !f(list) {
			return
		}
	}
}
