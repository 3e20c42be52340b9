package state

import (
	"math/bits"
	"sync/atomic"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state/internal/prefetch"
)

// memoTable is what is known of a few records of one type, wherever their ordinals
// are. It holds about as many as it was made for, and refuses what finds no slot. Any
// number of goroutines may look and keep at the same time.
type memoTable []memoSlot

// memoSlot holds what is known of one ordinal.
type memoSlot struct {
	name   atomic.Uint32 // the ordinal + 1; 0 while the slot is free
	state  atomic.Uint32 // slotEmpty, slotTaken or slotKnown
	height uint8
	sum    dataset.Digest
}

const (
	slotEmpty = iota
	slotTaken // somebody writes it down
	slotKnown
)

// maxProbes is how many slots an ordinal may be in.
const maxProbes = 32

// newMemoTable returns a table for n ordinals.
func newMemoTable(n int) memoTable {
	t := make(memoTable, n+n/2+maxProbes)
	for i := 0; i < len(t); i += 64 { // one at least in each page of the system
		t[i].height = 0 // see orNew
	}
	return t
}

// first returns the first slot that o may be in.
func (t memoTable) first(o Ordinal) int {
	at, _ := bits.Mul32(uint32(o)*2654435761, uint32(len(t)-maxProbes)) // of the golden ratio
	return int(at)
}

// slot returns the slot of o, nil if there is none.
func (t memoTable) slot(o Ordinal) *memoSlot {
	first := t.first(o)
	for i := range t[first : first+maxProbes] {
		s := &t[first+i]
		switch s.name.Load() {
		case uint32(o) + 1:
			return s
		case 0:
			return nil
		}
	}
	return nil
}

// slotFor returns the slot of o, which it takes if there is none; nil if all are
// others'.
func (t memoTable) slotFor(o Ordinal) *memoSlot {
	first := t.first(o)
	for i := range t[first : first+maxProbes] {
		s := &t[first+i]
		if s.name.CompareAndSwap(0, uint32(o)+1) || s.name.Load() == uint32(o)+1 {
			return s
		}
	}
	return nil
}

func (t memoTable) find(o Ordinal) (sum dataset.Digest, height uint8, ok bool) {
	s := t.slot(o)
	if s == nil || s.state.Load() != slotKnown {
		return sum, 0, false
	}
	return s.sum, s.height, true
}

func (t memoTable) known(o Ordinal) bool {
	s := t.slot(o)
	return s != nil && s.state.Load() == slotKnown
}

// keep is false if there is no slot for o, and never will be.
func (t memoTable) keep(o Ordinal, sum dataset.Digest, height uint8) bool {
	s := t.slotFor(o)
	if s == nil {
		return false
	}
	if s.state.CompareAndSwap(slotEmpty, slotTaken) {
		s.sum, s.height = sum, height
		s.state.Store(slotKnown)
	}
	return true
}

func (t memoTable) ask(o Ordinal) {
	s := &t[t.first(o)]
	prefetch.Of(&s.name)
	prefetch.Of(&s.sum[len(s.sum)-1])
}

func (t memoTable) forget(o Ordinal) {
	if s := t.slot(o); s != nil {
		s.state.Store(slotEmpty)
	}
}
