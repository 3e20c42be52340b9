package index

import (
	"encoding/binary"
	"math/bits"

	"github.com/holdfast-data/holdfast/pkg/state"
)

const (
	blockSize = 64  // entries of a block
	blockFill = 36  // entries per chain, on average, that the table grows at
	blockLow  = 12  // and shrinks at
	midSize   = 256 // chains under one middle node
)

// table is a hash table from hashes to ordinals that versions share: it grows
// by one chain at a time (linear hashing), so that no change costs more than a
// few blocks. An entry is found by a chain and a tag, eight further bits of the
// hash; the caller compares keys. Equal hashes may stand in it any number of
// times.
type table struct {
	mids   []*[midSize]*block
	chains int // len(mids) is just enough for them
	count  int // entries
}

// block holds a part of a chain. Its entries are in no order.
type block struct {
	next *block
	used int32
	ords [blockSize]state.Ordinal
	tags [blockSize]uint8
}

func tagOf(hash uint64) uint8 { return uint8(hash >> 56) }

// chainOf returns the chain of a hash.
func (t *table) chainOf(hash uint64) int {
	level := bits.Len(uint(t.chains) - 1) // 1<<level >= chains
	c := int(hash & (1<<level - 1))
	if c >= t.chains {
		c &= 1<<(level-1) - 1
	}
	return c
}

func (t *table) head(chain int) *block { return t.mids[chain/midSize][chain%midSize] }

// probe returns a walk over the entries that may have that hash.
func (t *table) probe(hash uint64) probe {
	if t.chains == 0 {
		return probe{}
	}
	return probe{block: t.head(t.chainOf(hash)), pattern: uint64(tagOf(hash)) * 0x0101010101010101}
}

// probe walks the entries that may have a hash.
type probe struct {
	block   *block
	pattern uint64
	at      int    // of the entries whose matches are in left
	left    uint64 // 0x80 in the byte of each entry whose tag matches
	started bool
}

// next returns the next candidate, or NoOrdinal.
func (p *probe) next() state.Ordinal {
	for p.block != nil {
		if p.left != 0 {
			i := p.at + bits.TrailingZeros64(p.left)/8
			p.left &= p.left - 1
			return p.block.ords[i]
		}
		if p.started {
			p.at += 8
		}
		p.started = true
		if p.at >= int(p.block.used) {
			p.block, p.at, p.started = p.block.next, 0, false
			continue
		}
		p.left = matches(p.block, p.at, p.pattern)
	}
	return state.NoOrdinal
}

// matches marks which of the eight entries from at on have the tag.
func matches(b *block, at int, pattern uint64) uint64 {
	x := binary.LittleEndian.Uint64(b.tags[at:]) ^ pattern
	const low = 0x7f7f7f7f7f7f7f7f
	zero := ^((x&low + low) | x | low) // exact: no carry leaves a byte
	if n := int(b.used) - at; n < 8 {
		zero &= 1<<(8*n) - 1
	}
	return zero
}

// tableEdit is a table under construction: each node is copied at most once,
// on the first write to it.
type tableEdit struct {
	table
	ownMid    map[int]bool
	ownBlocks map[*block]bool
	all       bool // every node is new
	hashOf    func(o state.Ordinal) uint64
}

// edit returns a copy of t that can be written without touching t. hashOf
// returns the hash of an entry.
func (t *table) edit(hashOf func(o state.Ordinal) uint64) *tableEdit {
	e := &tableEdit{table: *t, hashOf: hashOf, ownMid: map[int]bool{}, ownBlocks: map[*block]bool{}}
	e.mids = append([]*[midSize]*block(nil), t.mids...)
	if t.chains == 0 {
		e.setChains(1)
	}
	return e
}

// newTable returns an empty table with room for n entries.
func newTable(n int, hashOf func(o state.Ordinal) uint64) *tableEdit {
	e := &tableEdit{all: true, hashOf: hashOf}
	e.setChains(n/blockFill + 1)
	return e
}

func (e *tableEdit) setChains(n int) {
	e.chains = n
	for len(e.mids)*midSize < n {
		e.own(len(e.mids))
		e.mids = append(e.mids, new([midSize]*block))
	}
	e.mids = e.mids[:(n+midSize-1)/midSize]
}

func (e *tableEdit) own(mid int) {
	if !e.all {
		e.ownMid[mid] = true
	}
}

// setHead puts b at the start of a chain.
func (e *tableEdit) setHead(chain int, b *block) {
	m := chain / midSize
	if !e.all && !e.ownMid[m] {
		mid := *e.mids[m]
		e.mids[m] = &mid
		e.own(m)
	}
	e.mids[m][chain%midSize] = b
}

// newBlock returns an empty block in front of next.
func (e *tableEdit) newBlock(next *block) *block {
	b := &block{next: next}
	if !e.all {
		e.ownBlocks[b] = true
	}
	return b
}

// ownHead returns the first block of a chain, copied if need be.
func (e *tableEdit) ownHead(chain int) *block {
	b := e.head(chain)
	if b == nil || e.all || e.ownBlocks[b] {
		return b
	}
	own := *b
	e.ownBlocks[&own] = true
	e.setHead(chain, &own)
	return &own
}

// add puts an entry into the table.
func (e *tableEdit) add(hash uint64, o state.Ordinal) {
	e.put(e.chainOf(hash), tagOf(hash), o)
	e.count++
	if e.count > e.chains*blockFill {
		e.split()
	}
}

func (e *tableEdit) put(chain int, tag uint8, o state.Ordinal) {
	b := e.ownHead(chain)
	if b == nil || b.used == blockSize {
		b = e.newBlock(b)
		e.setHead(chain, b)
	}
	b.ords[b.used], b.tags[b.used] = o, tag
	b.used++
}

// remove takes an entry out and says whether it was there: the first block of
// its chain gives up an entry for it.
func (e *tableEdit) remove(hash uint64, o state.Ordinal) bool {
	chain := e.chainOf(hash)
	depth, at := e.locate(chain, o)
	if depth < 0 {
		return false
	}
	head := e.ownHead(chain)
	b := head
	for ; depth > 0; depth-- {
		b = e.ownNext(b)
	}
	head.used--
	b.ords[at], b.tags[at] = head.ords[head.used], head.tags[head.used]
	if head.used == 0 {
		e.setHead(chain, head.next)
	}
	e.count--
	if e.chains > 1 && e.count < e.chains*blockLow {
		e.merge()
	}
	return true
}

// locate finds an entry: its block's depth in the chain, -1 if it is not there,
// and its place in the block.
func (e *tableEdit) locate(chain int, o state.Ordinal) (depth, at int) {
	for b := e.head(chain); b != nil; b = b.next {
		for i := range b.used {
			if b.ords[i] == o {
				return depth, int(i)
			}
		}
		depth++
	}
	return -1, 0
}

func (e *tableEdit) ownNext(b *block) *block {
	if !e.all && !e.ownBlocks[b.next] {
		own := *b.next
		e.ownBlocks[&own] = true
		b.next = &own
	}
	return b.next
}

// split adds a chain and moves to it what belongs there.
func (e *tableEdit) split() {
	e.setChains(e.chains + 1)
	level := bits.Len(uint(e.chains) - 1)
	from := (e.chains - 1) &^ (1 << (level - 1))
	old := e.head(from)
	e.setHead(from, nil)
	for b := old; b != nil; b = b.next {
		for i := range b.used {
			e.put(e.chainOf(e.hashOf(b.ords[i])), b.tags[i], b.ords[i])
		}
	}
}

// merge takes the last chain away and moves what is in it.
func (e *tableEdit) merge() {
	last := e.chains - 1
	old := e.head(last)
	e.setHead(last, nil)
	e.setChains(last)
	to := last &^ (1 << (bits.Len(uint(last)) - 1))
	for b := old; b != nil; b = b.next {
		for i := range b.used {
			e.put(to, b.tags[i], b.ords[i])
		}
	}
}
