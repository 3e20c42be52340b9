package index

import (
	"cmp"
	"encoding/binary"
	"errors"
	"math/bits"
	"runtime"
	"slices"
	"sync"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/internal/arena"
	"github.com/holdfast-data/holdfast/pkg/state/internal/prefetch"
)

// A block is one cache line: the tags of up to blockSize entries, eight bits of
// the hash each, then a byte with their number and a flag, then the entries'
// ordinals. A group is blocksPerGroup blocks, and what is copied on write.
const (
	blockBytes = 64
	blockSize  = 12
	usedAt     = 12 // the byte with the number of entries
	ordsAt     = 16 // the first ordinal, 32 bits each

	// passed in the byte at usedAt says that an entry which belongs into this
	// block lies in a later one, because the block was full.
	passed = 0x80

	blocksPerGroup = 4
	groupBytes     = blocksPerGroup * blockBytes
	groupSize      = blocksPerGroup * blockSize
	freshFill      = 28 // entries a group when a table is built
	mostFill       = 36 // a table is built anew when there are more
	leastFill      = 10 // or fewer

	dirSize  = 1 << dirShift // groups in one part of the directory
	dirShift = 9
)

// linkAt are the bytes of a group that hold the handle of the next one, for
// entries that have no room in it: bytes that its blocks leave free.
var linkAt = [4]int{13, 14, 15, blockBytes + 13}

// table is a hash table from hashes to ordinals that versions share. The hash
// names a group, a block in it and a tag; an entry lies in its block or, if
// that is full, in one behind it. The caller compares keys. Equal hashes may
// stand in it any number of times. It has a fixed number of groups: when it
// does not fit its content any more, its owner builds another one.
type table struct {
	dir    []*[dirSize]arena.Handle
	blocks arena.Arena
	groups uint64
	count  int // entries
}

// place is where entries with one hash belong.
type place struct {
	group uint64
	block int
	tag   byte
}

func (t *table) placeOf(hash uint64) place {
	group, _ := bits.Mul64(hash, t.groups)
	return place{group, int(hash) & (blocksPerGroup - 1), byte(hash >> 8)}
}

// group returns the blocks of a group, nil if it has none.
func (t *table) group(i uint64) []byte {
	d := t.dir[i>>dirShift]
	if d == nil || d[i%dirSize] == 0 {
		return nil
	}
	return t.blocks.Block(d[i%dirSize])
}

// fits says whether a table of so many groups is a good one for n entries.
func (t *table) fits(n int) bool {
	return uint64(n) <= t.groups*mostFill && (t.groups <= 1 || uint64(n) >= t.groups*leastFill)
}

// link returns the handle of the group behind g.
func link(g []byte) arena.Handle {
	var h arena.Handle
	for i, at := range linkAt {
		h |= arena.Handle(g[at]) << (8 * i)
	}
	return h
}

func setLink(g []byte, h arena.Handle) {
	for i, at := range linkAt {
		g[at] = byte(h >> (8 * i))
	}
}

// matches marks which entries of a block may have a tag: bit 8*i for entry i of
// the first eight, bit 8*i+1 for entry 8+i. It has no branch that waits for
// memory, so that several look-ups can wait for theirs at the same time.
func matches(b *[blockBytes]byte, tag byte) uint64 {
	pattern := uint64(tag) * 0x0101010101010101
	first := zeroBytes(binary.LittleEndian.Uint64(b[:]) ^ pattern)
	rest := zeroBytes(uint64(binary.LittleEndian.Uint32(b[8:])) ^ pattern&0xffffffff)
	return first>>7 | rest>>6&0x02020202
}

// zeroBytes sets the highest bit of each byte that is 0, and no other bit.
func zeroBytes(x uint64) uint64 {
	const low = 0x7f7f7f7f7f7f7f7f
	return ^((x&low + low) | x | low) // no carry leaves a byte
}

// entryOf returns the entry of the lowest bit of what matches returned.
func entryOf(m uint64) int {
	at := bits.TrailingZeros64(m)
	return at>>3 + at&1*8
}

func used(b *[blockBytes]byte) int { return int(b[usedAt] &^ passed) }

func ordinalAt(b *[blockBytes]byte, i int) state.Ordinal {
	return state.Ordinal(binary.LittleEndian.Uint32(b[ordsAt+4*i:]))
}

func setEntry(b *[blockBytes]byte, i int, tag byte, o state.Ordinal) {
	b[i] = tag
	binary.LittleEndian.PutUint32(b[ordsAt+4*i:], uint32(o))
}

// blockAt returns block i of a group.
func blockAt(g []byte, i int) *[blockBytes]byte {
	return (*[blockBytes]byte)(g[i*blockBytes:])
}

// probe returns a walk over the entries that may have that hash.
func (t *table) probe(hash uint64) probe {
	if t.groups == 0 {
		return probe{}
	}
	p := t.placeOf(hash)
	return t.walk(t.group(p.group), p)
}

func (t *table) walk(g []byte, p place) probe {
	w := probe{t: t, group: g, at: p.block, first: p.block, tag: p.tag}
	if g != nil {
		w.left = matches(blockAt(g, w.at), w.tag)
	}
	return w
}

// probe walks the entries that may have a hash.
type probe struct {
	t         *table
	group     []byte // nil at the end
	at, first int    // the block, and that where the walk began
	tag       byte
	left      uint64 // of the block's matches
}

// next returns the next candidate, or NoOrdinal.
func (p *probe) next() state.Ordinal {
	for p.group != nil {
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
	if b[usedAt]&passed == 0 {
		p.group = nil
		return
	}
	if p.at = (p.at + 1) % blocksPerGroup; p.at == p.first {
		h := link(p.group)
		if h == 0 {
			p.group = nil
			return
		}
		p.group = p.t.blocks.Block(h)
	}
	p.left = matches(blockAt(p.group, p.at), p.tag)
}

// chain is a group under construction with those behind it, one after the
// other. It is never empty.
type chain struct{ bytes []byte }

func (c *chain) groups() int { return len(c.bytes) / groupBytes }

// block returns block i of all blocks.
func (c *chain) block(i int) *[blockBytes]byte { return blockAt(c.bytes, i) }

// steps returns the number of the k'th block on the way of a place: block after
// block of each group, from the place's own on.
func step(first, k int) int {
	return k/blocksPerGroup*blocksPerGroup + (first+k)%blocksPerGroup
}

// add puts an entry into the first block on its way that is not full.
func (c *chain) add(p place, o state.Ordinal) {
	for k := 0; ; k++ {
		if k == c.groups()*blocksPerGroup {
			c.bytes = append(c.bytes, noGroup[:]...)
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
	last := used(b)
	setEntry(b, i, b[last], ordinalAt(b, last))
	return true
}

// load makes c the chain that begins with group i of t.
func (c *chain) load(t *table, i uint64) {
	c.bytes = c.bytes[:0]
	for g := t.group(i); g != nil; {
		c.bytes = append(c.bytes, g[:groupBytes]...)
		h := link(g)
		if h == 0 {
			break
		}
		g = t.blocks.Block(h)
	}
	if len(c.bytes) == 0 {
		c.clear()
	}
}

// clear makes c a chain of one group without entries.
func (c *chain) clear() {
	c.bytes = append(c.bytes[:0], noGroup[:]...)
}

var noGroup [groupBytes]byte

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

// tableChange is one entry that comes or goes.
type tableChange struct {
	hash  uint64
	order uint64 // by group, what goes before what comes; set by update
	o     state.Ordinal
	add   bool
}

// update returns the table after the changes, which it sorts. It says of each
// entry that goes whether another one in the table that may have the same hash
// is the same for was, and of each that comes, for is: the sum of those that
// came, less those that went, is extra. It is false if an entry that goes was
// not there or the table would no longer fit.
func (t *table) update(changes []tableChange, was, is func(o, other state.Ordinal) bool) (next table, extra int, ok bool) {
	count := t.count
	for i := range changes {
		c := &changes[i]
		c.order = t.placeOf(c.hash).group << 1
		if c.add {
			c.order |= 1
			count++
		} else {
			count--
		}
	}
	if t.groups == 0 || !t.fits(count) {
		return table{}, 0, false
	}
	e := tableEdit{table: *t, w: t.blocks.Edit(), own: make([]bool, len(t.dir))}
	e.count = count
	e.dir = slices.Clone(t.dir)
	slices.SortFunc(changes, func(a, b tableChange) int { return cmp.Compare(a.order, b.order) })
	for k := 0; k < len(changes); {
		n := k + 1
		group := changes[k].order >> 1
		for n < len(changes) && changes[n].order>>1 == group {
			n++
		}
		if ahead := n + changesAhead; ahead < len(changes) {
			t.prefetch(changes[ahead].order >> 1)
		}
		d, ok := e.change(t, group, changes[k:n], was, is)
		if !ok {
			e.w.Discard()
			return table{}, 0, false
		}
		extra += d
		k = n
	}
	e.evacuate()
	var err error
	e.blocks, err = e.w.Close()
	return e.table, extra, err == nil
}

// changesAhead is how far ahead of the change under way update asks for
// groups.
const changesAhead = 6

// prefetch asks for the blocks of a group.
func (t *table) prefetch(group uint64) {
	if g := t.group(group); g != nil {
		for i := range blocksPerGroup {
			prefetch.Line(&g[i*blockBytes])
		}
	}
}

// tableEdit is the next version of a table.
type tableEdit struct {
	table
	w     *arena.Writer
	own   []bool // parts of the directory that are copies
	chain chain
}

func (e *tableEdit) setHandle(group uint64, h arena.Handle) {
	d := group >> dirShift
	if !e.own[d] {
		part := new([dirSize]arena.Handle)
		if e.dir[d] != nil {
			*part = *e.dir[d]
		}
		e.dir[d], e.own[d] = part, true
	}
	e.dir[d][group%dirSize] = h
}

// change makes one group anew.
func (e *tableEdit) change(from *table, group uint64, changes []tableChange, was, is func(o, other state.Ordinal) bool) (extra int, ok bool) {
	e.chain.load(from, group)
	e.drop(from, group)
	for _, c := range changes {
		p := e.placeOf(c.hash)
		same := is
		if !c.add {
			if !e.chain.remove(p, c.o) {
				return 0, false
			}
			same = was
		}
		twin, _ := e.chain.find(p, func(other state.Ordinal) bool { return same(c.o, other) })
		if c.add {
			e.chain.add(p, c.o)
		}
		switch {
		case twin < 0:
		case c.add:
			extra++
		default:
			extra--
		}
	}
	e.chain.trim()
	e.setHandle(group, e.chain.store(e.w, arena.New))
	return extra, true
}

// drop takes the groups of a chain of the version before away.
func (e *tableEdit) drop(from *table, group uint64) {
	d := from.dir[group>>dirShift]
	if d == nil {
		return
	}
	for h := d[group%dirSize]; h != 0; h = link(from.blocks.Block(h)) {
		e.w.Drop(h, groupBytes)
	}
}

// evacuate moves groups out of segments that are nearly empty. A chain moves
// as a whole.
func (e *tableEdit) evacuate() {
	sparse := e.w.Sparse()
	if sparse == nil {
		return
	}
	for d, part := range e.dir {
		if part == nil {
			continue
		}
		for i, h := range part {
			if h != 0 && e.isSparse(sparse, h) {
				e.move(uint64(d<<dirShift|i), h)
			}
		}
	}
}

func (e *tableEdit) isSparse(sparse []bool, h arena.Handle) bool {
	for ; h != 0; h = link(e.w.Block(h)) {
		if arena.In(sparse, h) {
			return true
		}
	}
	return false
}

func (e *tableEdit) move(group uint64, h arena.Handle) {
	e.chain.bytes = e.chain.bytes[:0]
	var old []arena.Handle
	for ; h != 0; h = link(e.w.Block(h)) {
		e.chain.bytes = append(e.chain.bytes, e.w.Block(h)[:groupBytes]...)
		old = append(old, h)
	}
	e.setHandle(group, e.chain.store(e.w, arena.Moved))
	for _, h := range old {
		e.w.Drop(h, groupBytes)
	}
}

// hashed is an entry with its hash.
type hashed struct {
	hash uint64
	o    state.Ordinal
}

// build returns a table of the entries, which are in no order, and how many of
// them another one before is the same as.
func build(entries []hashed, same func(o, other state.Ordinal) bool) (t table, extra int, err error) {
	t.groups = max(1, uint64(len(entries)+freshFill-1)/freshFill)
	t.count = len(entries)
	t.dir = make([]*[dirSize]arena.Handle, (t.groups+dirSize-1)>>dirShift)
	sorted, ends := byGroup(&t, entries)
	parts := split(len(t.dir), 64)
	blocks, extras, errs := make([]arena.Arena, len(parts)), make([]int, len(parts)), make([]error, len(parts))
	inParts(parts, func(i, from, to int) {
		blocks[i], extras[i], errs[i] = t.buildPart(sorted, ends, from, to, same)
	})
	if err := errors.Join(errs...); err != nil {
		return table{}, 0, err
	}
	all, shift, err := arena.Join(blocks)
	if err != nil {
		return table{}, 0, err
	}
	t.blocks = all
	for i, p := range parts {
		extra += extras[i]
		if shift[i] != 0 {
			t.shift(p, shift[i])
		}
	}
	return t, extra, nil
}

// buildPart makes the groups of some parts of the directory. ends says where
// the entries of each group end in sorted.
func (t *table) buildPart(sorted []hashed, ends []uint32, from, to int, same func(o, other state.Ordinal) bool) (blocks arena.Arena, extra int, err error) {
	w := t.blocks.Edit()
	var c chain
	for d := from; d < to; d++ {
		t.dir[d] = new([dirSize]arena.Handle)
		for group := d * dirSize; group < min((d+1)*dirSize, len(ends)); group++ {
			start := uint32(0)
			if group > 0 {
				start = ends[group-1]
			}
			if start == ends[group] {
				continue
			}
			c.clear()
			for _, x := range sorted[start:ends[group]] {
				p := t.placeOf(x.hash)
				if twin, _ := c.find(p, func(other state.Ordinal) bool { return same(x.o, other) }); twin >= 0 {
					extra++
				}
				c.add(p, x.o)
			}
			t.dir[d][group%dirSize] = c.store(w, arena.New)
		}
	}
	blocks, err = w.CloseTrimmed()
	return blocks, extra, err
}

// shift adds to all handles of a part of the directory, which nobody else knows
// yet.
func (t *table) shift(p [2]int, by arena.Handle) {
	for _, part := range t.dir[p[0]:p[1]] {
		for i, h := range part {
			if h == 0 {
				continue
			}
			part[i] = h + by
			for g := t.blocks.Block(h + by); link(g) != 0; g = t.blocks.Block(link(g)) {
				setLink(g, link(g)+by)
			}
		}
	}
}

// split divides n things into parts, one for each processor, if there are many
// times least of them: it returns the first of each part, and the one behind
// its last.
func split(n, least int) [][2]int {
	parts := max(1, min(runtime.GOMAXPROCS(0), n/least))
	out := make([][2]int, parts)
	for i := range out {
		out[i] = [2]int{n * i / parts, n * (i + 1) / parts}
	}
	return out
}

// inParts calls f for all parts at the same time and waits.
func inParts(parts [][2]int, f func(i, from, to int)) {
	var all sync.WaitGroup
	for i, p := range parts[1:] {
		all.Go(func() { f(i+1, p[0], p[1]) })
	}
	f(0, parts[0][0], parts[0][1])
	all.Wait()
}

// byGroup sorts entries by group, by counting, and says where each group ends.
func byGroup(t *table, entries []hashed) (sorted []hashed, ends []uint32) {
	ends = make([]uint32, t.groups)
	for _, x := range entries {
		ends[t.placeOf(x.hash).group]++
	}
	sum := uint32(0)
	for i, n := range ends {
		ends[i] = sum
		sum += n
	}
	sorted = make([]hashed, len(entries))
	for _, x := range entries {
		g := t.placeOf(x.hash).group
		sorted[ends[g]] = x
		ends[g]++
	}
	return sorted, ends
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
