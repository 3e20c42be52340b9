package state

import (
	"sync/atomic"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state/internal/prefetch"
)

// memo is what is known of the records of one type, by ordinal: of any of them in
// chunks, or of a few in a table, and in chunks what that refuses. Any number of
// goroutines may look and keep at the same time; all else is for one alone.
type memo struct {
	mids  []atomic.Pointer[memoMid]
	table memoTable // empty if all is in chunks
}

// memoMid is what is known of memoSize<<memoShift ordinals.
type memoMid [memoSize]atomic.Pointer[memoChunk]

const (
	memoSize  = 256
	memoShift = 3 // of the number of ordinals in a memoChunk
	memoLen   = 1 << memoShift
)

// memoChunk holds what is known of consecutive ordinals.
type memoChunk struct {
	// marks has two bits for each: the lower ones say that its hash is known, those
	// memoLen bits above that somebody writes it down, or has.
	marks   atomic.Uint32
	heights [memoLen]uint8
	sums    [memoLen]dataset.Digest
}

// grow makes room for ordinals up to the greatest.
func (m *memo) grow(greatest Ordinal) {
	if n := int(greatest>>memoShift)/memoSize + 1; n > len(m.mids) {
		mids := make([]atomic.Pointer[memoMid], n+n/8)
		for i := range m.mids {
			mids[i].Store(m.mids[i].Load())
		}
		m.mids = mids
	}
}

// useTable forgets everything and makes room for what will be known of about n
// ordinals.
func (m *memo) useTable(n int) {
	clear(m.mids)
	m.table = newMemoTable(n)
}

// useChunks forgets everything; chunks take what will be known.
func (m *memo) useChunks() {
	clear(m.mids)
	m.table = nil
}

// chunk returns the chunk of o, nil if there is none.
func (m *memo) chunk(o Ordinal) *memoChunk {
	i := uint(o >> memoShift)
	if i/memoSize >= uint(len(m.mids)) {
		return nil
	}
	if mid := m.mids[i/memoSize].Load(); mid != nil {
		return mid[i%memoSize].Load()
	}
	return nil
}

// chunkFor returns the chunk of o, for which there is room.
func (m *memo) chunkFor(o Ordinal) *memoChunk {
	i := uint(o >> memoShift)
	mid := orNew(&m.mids[i/memoSize], func(mid *memoMid) { mid[i%memoSize].Store(new(memoChunk)) })
	return orNew(&mid[i%memoSize], func(c *memoChunk) { c.marks.Store(0) })
}

// orNew returns what p points to, which it makes if there is nothing. begin writes
// to it: the system maps a page of zeros where memory is read first, and another
// one when it is written then, which takes all processors' time.
func orNew[T any](p *atomic.Pointer[T], begin func(*T)) *T {
	if t := p.Load(); t != nil {
		return t
	}
	t := new(T)
	begin(t)
	if p.CompareAndSwap(nil, t) {
		return t
	}
	return p.Load() // somebody else has
}

// find returns the hash and height of record o, if they are known.
func (m *memo) find(o Ordinal) (sum dataset.Digest, height uint8, ok bool) {
	if len(m.table) > 0 {
		if sum, height, ok = m.table.find(o); ok {
			return sum, height, true
		}
	}
	c, at := m.chunk(o), o%memoLen
	if c == nil || c.marks.Load()>>at&1 == 0 {
		return sum, 0, false
	}
	return c.sums[at], c.heights[at], true
}

// known says whether the hash of o is known.
func (m *memo) known(o Ordinal) bool {
	if len(m.table) > 0 && m.table.known(o) {
		return true
	}
	c := m.chunk(o)
	return c != nil && c.marks.Load()>>(o%memoLen)&1 != 0
}

// keep makes the hash and height of record o known, if nobody else does.
func (m *memo) keep(o Ordinal, sum dataset.Digest, height uint8) {
	if len(m.table) > 0 && m.table.keep(o, sum, height) {
		return
	}
	c, at := m.chunkFor(o), o%memoLen
	mine := uint32(1) << (memoLen + at)
	if c.marks.Or(mine)&mine != 0 {
		return
	}
	c.sums[at], c.heights[at] = sum, height
	c.marks.Or(1 << at)
}

// ask asks for the memory of what is known of o.
func (m *memo) ask(o Ordinal) {
	if len(m.table) > 0 {
		m.table.ask(o)
	}
	if c := m.chunk(o); c != nil {
		prefetch.Of(&c.marks)
		prefetch.Of(&c.sums[o%memoLen])
	}
}

// forget drops what is known of the ordinals.
func (m *memo) forget(list []Ordinal) {
	for _, o := range list {
		if len(m.table) > 0 {
			m.table.forget(o)
		}
		if c := m.chunk(o); c != nil {
			at := o % memoLen
			c.marks.And(^uint32(1<<at | 1<<(memoLen+at)))
		}
	}
}
