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
