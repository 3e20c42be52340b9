package state

import (
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state/internal/prefetch"
)

// memo is what is known of the records of one type.
type memo struct {
	mids         []*[memoSize]*memoChunk
	hits, misses int
}

const (
	memoSize  = 256
	memoShift = 4 // of the number of ordinals in a memoChunk
)

// memoChunk holds what is known of consecutive ordinals. Height 0 is unknown.
type memoChunk struct {
	sums    [1 << memoShift]dataset.Digest
	heights [1 << memoShift]uint8
}

const underWay = 255 // height of a record whose hash is being computed

// chunk returns the chunk of o, nil if there is none and it is not to be made.
func (m *memo) chunk(o Ordinal, create bool) *memoChunk {
	i := int(o >> memoShift)
	for create && len(m.mids) <= i/memoSize {
		m.mids = append(m.mids, nil)
	}
	if i/memoSize >= len(m.mids) {
		return nil
	}
	mid := &m.mids[i/memoSize]
	if *mid == nil {
		if !create {
			return nil
		}
		*mid = new([memoSize]*memoChunk)
	}
	c := &(*mid)[i%memoSize]
	if *c == nil && create {
		*c = new(memoChunk)
	}
	return *c
}

// find returns the hash and height of record o, if they are known.
func (m *memo) find(o Ordinal) (sum dataset.Digest, height uint8, ok bool) {
	c := m.chunk(o, false)
	if c == nil {
		return sum, 0, false
	}
	at := o % (1 << memoShift)
	if height = c.heights[at]; height == 0 || height == underWay {
		return sum, 0, false
	}
	return c.sums[at], height, true
}

// take adds what another memo knows, which must not be used any more. None of it
// is under way.
func (m *memo) take(other *memo) {
	m.hits, m.misses = m.hits+other.hits, m.misses+other.misses
	for i, mid := range other.mids {
		if mid == nil {
			continue
		}
		for j, c := range mid {
			if c != nil {
				m.takeChunk(Ordinal(i*memoSize+j)<<memoShift, c)
			}
		}
	}
}

// takeChunk adds what is known of the ordinals from o on.
func (m *memo) takeChunk(o Ordinal, c *memoChunk) {
	own := m.chunk(o, true)
	for at, height := range c.heights {
		if height != 0 {
			own.heights[at], own.sums[at] = height, c.sums[at]
		}
	}
}

// ask asks for the memory of what is known of o.
func (m *memo) ask(o Ordinal) {
	if c := m.chunk(o, false); c != nil {
		prefetch.Of(&c.heights[o%(1<<memoShift)])
		prefetch.Of(&c.sums[o%(1<<memoShift)])
	}
}

// known says whether the hash of o is known, or under way.
func (m *memo) known(o Ordinal) bool {
	c := m.chunk(o, false)
	return c != nil && c.heights[o%(1<<memoShift)] != 0
}

// forget drops what is known of the ordinals.
func (m *memo) forget(list []Ordinal) {
	for _, o := range list {
		if c := m.chunk(o, false); c != nil {
			c.heights[o%(1<<memoShift)] = 0
		}
	}
}
