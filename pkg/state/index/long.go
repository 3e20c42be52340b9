package index

import (
	"slices"

	"github.com/holdfast-data/holdfast/pkg/state"
)

const (
	bitmapSpan  = 4096 // ordinals that a bitmap covers when it is made
	bitmapGrows = 8192 // and before it is taken apart
	bitmapEvery = 6    // one ordinal of so many at least makes one
	bitmapLeast = 64   // ordinals of the smallest
	listFill    = 256  // ordinals of a list of gaps when it is made
	listMost    = 384  // and at most
	listLeast   = 64   // fewer are joined to a neighbour
	runMost     = 64   // blocks of a run
)

// long is a list of ordinals in blocks, which versions share. A bitmap is used
// where it is not much larger than gaps, because it changes a bit at a time.
type long struct {
	n    int
	runs [][]longBlock // none is empty
}

// longBlock holds the ordinals from base up to the base of the next one.
type longBlock struct {
	base state.Ordinal
	n    uint16
	k    uint8
	data []byte
}

func (b *longBlock) reader() riceReader {
	return riceReader{data: b.data, left: int(b.n), next: b.base, k: uint(b.k)}
}

// find returns the block in which o would be.
func (l *long) find(o state.Ordinal) (run, b int) {
	run = lastUpTo(len(l.runs), func(i int) bool { return l.runs[i][0].base <= o })
	blocks := l.runs[run]
	return run, lastUpTo(len(blocks), func(i int) bool { return blocks[i].base <= o })
}

// lastUpTo returns the last of n places that ok is true of, 0 if there is none.
// It is true up to some place and false behind it.
func lastUpTo(n int, ok func(i int) bool) int {
	low := 0 // true here, or it is 0
	for n > 1 {
		if half := n / 2; ok(low + half) {
			low += half
			n -= half
		} else {
			n = half
		}
	}
	return low
}

// change is what becomes of the records under one key: both ascending.
type change struct{ removed, added []state.Ordinal }

func (c change) empty() bool { return len(c.removed)+len(c.added) == 0 }

// grows returns by how many a list gets longer.
func (c change) grows() int { return len(c.added) - len(c.removed) }

// first returns the smallest ordinal of a change that is not empty.
func (c change) first() state.Ordinal {
	if len(c.removed) == 0 || len(c.added) > 0 && c.added[0] < c.removed[0] {
		return c.added[0]
	}
	return c.removed[0]
}

// below takes from c what is below a limit.
func (c *change) below(limit state.Ordinal) change {
	out := change{upTo(c.removed, limit), upTo(c.added, limit)}
	c.removed, c.added = c.removed[len(out.removed):], c.added[len(out.added):]
	return out
}

func upTo(ords []state.Ordinal, limit state.Ordinal) []state.Ordinal {
	n := 0
	for n < len(ords) && ords[n] < limit {
		n++
	}
	return ords[:n]
}

// merge appends ords after a change. It says false if the change removes what
// is not there, or adds what is.
func (c change) merge(dst, ords []state.Ordinal) ([]state.Ordinal, bool) {
	for _, o := range ords {
		for len(c.added) > 0 && c.added[0] < o {
			dst, c.added = append(dst, c.added[0]), c.added[1:]
		}
		if len(c.added) > 0 && c.added[0] == o {
			return dst, false
		}
		if len(c.removed) > 0 && c.removed[0] == o {
			c.removed = c.removed[1:]
			continue
		}
		dst = append(dst, o)
	}
	return append(dst, c.added...), len(c.removed) == 0
}

// longEdit makes the next version of long lists. One serves any number of them,
// one after the other.
type longEdit struct {
	blocks       []longBlock // of the run under way
	list, merged []state.Ordinal
	code         []byte
}

// build returns a list of ascending ordinals.
func (e *longEdit) build(ords []state.Ordinal) *long {
	e.blocks = e.blocks[:0]
	e.pack(ords)
	return newLong(len(ords), e.blocks)
}

// oneBlock is a list of one block, in one piece of memory: most long lists are.
type oneBlock struct {
	long
	run   [1][]longBlock
	block [1]longBlock
}

// newLong returns a list of n ordinals in blocks.
func newLong(n int, blocks []longBlock) *long {
	if len(blocks) == 1 {
		l := &oneBlock{block: [1]longBlock{blocks[0]}}
		l.run[0] = l.block[:]
		l.n, l.runs = n, l.run[:]
		return &l.long
	}
	l := &long{n: n}
	l.push(blocks)
	return l
}

// push appends a run, in parts if it is too long.
func (l *long) push(blocks []longBlock) {
	if last := len(l.runs) - 1; last >= 0 && len(blocks)+len(l.runs[last]) <= runMost/2 {
		l.runs[last] = slices.Concat(l.runs[last], blocks)
		return
	}
	parts := (len(blocks) + runMost - 1) / runMost
	for ; parts > 0; parts-- {
		n := len(blocks) / parts
		l.runs = append(l.runs, slices.Clone(blocks[:n]))
		blocks = blocks[n:]
	}
}

const maxOrdinal = state.Ordinal(1<<31 - 1)

// apply returns the list after a change, or says false as merge does. Runs and
// blocks without a change are shared.
func (e *longEdit) apply(l *long, c change) (*long, bool) {
	if len(l.runs) == 1 {
		if !e.applyRun(l.runs[0], c) {
			return nil, false
		}
		return newLong(l.n+c.grows(), e.blocks), true
	}
	out := &long{n: l.n + c.grows(), runs: make([][]longBlock, 0, len(l.runs)+1)}
	for i, run := range l.runs {
		limit := maxOrdinal
		if i+1 < len(l.runs) {
			limit = l.runs[i+1][0].base
		}
		own := c.below(limit)
		if own.empty() {
			out.runs = append(out.runs, run)
			continue
		}
		if !e.applyRun(run, own) {
			return nil, false
		}
		out.push(e.blocks)
	}
	return out, true
}

// applyRun leaves in e.blocks what becomes of a run.
func (e *longEdit) applyRun(run []longBlock, c change) bool {
	e.blocks = e.blocks[:0]
	for i, b := range run {
		limit := maxOrdinal
		if i+1 < len(run) {
			limit = run[i+1].base
		}
		own := c.below(limit)
		if own.empty() {
			e.blocks = append(e.blocks, b)
			continue
		}
		if same, ok := e.edit(&b, own); ok {
			e.blocks = append(e.blocks, same)
			continue
		}
		e.list = b.appendTo(e.list[:0])
		var ok bool
		if e.merged, ok = own.merge(e.merged[:0], e.list); !ok {
			return false
		}
		e.repack()
	}
	return true
}

// edit returns a block after a change, if it stays a good one as it is and the
// change is right.
func (e *longEdit) edit(b *longBlock, c change) (longBlock, bool) {
	if b.k == 0 {
		return b.setBits(c)
	}
	n := int(b.n) + c.grows()
	if n < listLeast || n > listMost || c.first() < b.base {
		return longBlock{}, false
	}
	code, ok := c.splice(e.code[:0], b.reader(), len(b.data))
	if e.code = code; !ok || !goodSize(n, len(code), uint(b.k)) {
		return longBlock{}, false
	}
	return longBlock{b.base, uint16(n), b.k, slices.Clone(code)}, true
}

// setBits is edit of a bitmap.
func (b *longBlock) setBits(c change) (longBlock, bool) {
	size := len(b.data)
	if n := len(c.added); n > 0 {
		if c.added[0] < b.base || c.added[n-1]-b.base >= bitmapGrows {
			return longBlock{}, false
		}
		size = max(size, int(c.added[n-1]-b.base)/8+1)
	}
	n := int(b.n) + c.grows()
	if n == 0 || n*bitmapEvery*2 < size*8 {
		return longBlock{}, false
	}
	out := longBlock{b.base, uint16(n), 0, make([]byte, size)}
	copy(out.data, b.data)
	for _, o := range c.removed {
		at := o - b.base
		if at < 0 || int(at/8) >= size || out.data[at/8]>>(at%8)&1 == 0 {
			return longBlock{}, false
		}
		out.data[at/8] &^= 1 << (at % 8)
	}
	for _, o := range c.added {
		at := o - b.base
		if out.data[at/8]>>(at%8)&1 != 0 {
			return longBlock{}, false
		}
		out.data[at/8] |= 1 << (at % 8)
	}
	return out, true
}

func (b *longBlock) appendTo(dst []state.Ordinal) []state.Ordinal {
	r := b.reader()
	for o := r.read(); o != state.NoOrdinal; o = r.read() {
		dst = append(dst, o)
	}
	return dst
}

// repack packs what was merged, together with a small block in front of it.
func (e *longEdit) repack() {
	if len(e.merged) == 0 {
		return
	}
	if last := len(e.blocks) - 1; last >= 0 && int(e.blocks[last].n)+len(e.merged) < listFill &&
		(e.blocks[last].n < listLeast || len(e.merged) < listLeast) {
		e.list = append(e.blocks[last].appendTo(e.list[:0]), e.merged...)
		e.list, e.merged = e.merged, e.list
		e.blocks = e.blocks[:last]
	}
	e.pack(e.merged)
}

// pack appends blocks of ascending ordinals.
func (e *longEdit) pack(ords []state.Ordinal) {
	for len(ords) > 0 {
		base := ords[0]
		n := bitmapPrefix(ords)
		k, size := uint(0), 0
		if n == 0 {
			n = listPrefix(ords)
			k, size = riceFor(base, ords[:n])
		} else {
			size = int(ords[n-1]-base) + 1
		}
		data := appendRice(make([]byte, 0, (size+7)/8), base, ords[:n], k)
		e.blocks = append(e.blocks, longBlock{base, uint16(n), uint8(k), data})
		ords = ords[n:]
	}
}

// bitmapPrefix returns how many of the first ordinals go into a bitmap, 0 if
// they are too far apart.
func bitmapPrefix(ords []state.Ordinal) int {
	n, _ := slices.BinarySearch(ords, ords[0]+bitmapSpan)
	if ords[0] > maxOrdinal-bitmapSpan {
		n = len(ords)
	}
	span := int(ords[n-1]-ords[0]) + 1
	if n < len(ords) {
		span = bitmapSpan
	}
	if n < bitmapLeast || n*bitmapEvery < span {
		return 0
	}
	return n
}

// listPrefix returns how many of the first ordinals go into a list of gaps.
func listPrefix(ords []state.Ordinal) int {
	if len(ords) <= listMost {
		return len(ords)
	}
	parts := (len(ords) + listFill - 1) / listFill
	return len(ords) / parts
}
