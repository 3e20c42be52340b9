package index

import (
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/internal/arena"
)

// chain is a group under construction with those behind it, one after the
// other. It is never empty.
type chain struct {
	bytes []byte
	full  int // groups at its beginning that have no room, and were passed: who adds need not look there
}

func (c *chain) groups() int { return len(c.bytes) / groupBytes }

// block returns block i of all blocks.
func (c *chain) block(i int) *[blockBytes]byte {
	return (*[blockBytes]byte)(c.bytes[i*blockBytes:])
}

// step returns the number of the k'th block on the way of a place: block after
// block of each group, from the place's own on.
func step(first, k int) int {
	return k/blocksPerGroup*blocksPerGroup + (first+k)%blocksPerGroup
}

// add puts an entry into the first block on its way that is not full.
func (c *chain) add(p place, o state.Ordinal) {
	for k := c.full * blocksPerGroup; ; k++ {
		if k%blocksPerGroup == 0 {
			c.full = k / blocksPerGroup // the way leads through all blocks of those before
		}
		if k == c.groups()*blocksPerGroup {
			c.bytes = append(c.bytes, make([]byte, groupBytes)...)
		}
		b := c.block(step(p.block, k))
		if n := used(b); n < blockSize {
			setEntry(b, n, p.tag, o)
			b[usedAt]++
			return
		}
		b[usedAt] |= passed
	}
}

// find calls f for the entries that may have the hash of a place, until f says
// true, and returns the block and the entry there, -1 if f never did.
func (c *chain) find(p place, f func(o state.Ordinal) bool) (block, entry int) {
	for k := range c.groups() * blocksPerGroup {
		block := step(p.block, k)
		b := c.block(block)
		for m := matches(b, p.tag); m != 0; m &= m - 1 {
			if i := entryOf(m); i < used(b) && f(ordinalAt(b, i)) {
				return block, i
			}
		}
		if b[usedAt]&passed == 0 {
			break
		}
	}
	return -1, -1
}

// remove takes an entry out and says whether it was there.
func (c *chain) remove(p place, o state.Ordinal) bool {
	block, i := c.find(p, func(other state.Ordinal) bool { return other == o })
	if block < 0 {
		return false
	}
	b := c.block(block)
	b[usedAt]--
	c.full = min(c.full, block/blocksPerGroup)
	last := used(b)
	setEntry(b, i, b[last], ordinalAt(b, last))
	return true
}

// load makes c the chain that begins with group i of t.
func (c *chain) load(t *table, i uint64) {
	c.bytes, c.full = c.bytes[:0], 0
	for g := t.group(i).Bytes(0, groupBytes); ; {
		c.bytes = append(c.bytes, g[:groupBytes]...)
		h := link(g)
		if h == 0 {
			return
		}
		g = t.blocks.Block(h)
	}
}

// clear makes c a chain of one group without entries.
func (c *chain) clear() {
	c.bytes, c.full = append(c.bytes[:0], make([]byte, groupBytes)...), 0
}

// trim takes empty groups off the end.
func (c *chain) trim() {
	for c.groups() > 1 {
		for b := range blocksPerGroup {
			if used(c.block((c.groups()-1)*blocksPerGroup+b)) > 0 {
				return
			}
		}
		c.bytes = c.bytes[:len(c.bytes)-groupBytes]
	}
}

// store writes the chain into a stream and returns the handle of its first
// group.
func (c *chain) store(w *arena.Writer, stream int) arena.Handle {
	var next arena.Handle
	for i := c.groups() - 1; i >= 0; i-- {
		g := c.bytes[i*groupBytes : (i+1)*groupBytes]
		setLink(g, next)
		next = w.Put(stream, g)
	}
	return next
}
