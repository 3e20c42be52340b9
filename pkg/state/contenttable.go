package state

import (
	"math/bits"

	"github.com/cespare/xxhash/v2"

	"github.com/holdfast-data/holdfast/pkg/state/internal/hugepage"
	"github.com/holdfast-data/holdfast/pkg/state/internal/prefetch"
)

// contentTable finds records by their content: open addressing with linear
// probing, 8 bytes a slot. It knows a record by a hash of 32 bits; the caller
// compares. The zero table is empty.
type contentTable struct {
	slots []contentSlot // a power of two; at most 3/4 are in use
	used  int
}

// contentSlot names a record by a number of the caller's. The hash of a slot in
// use is not 0.
type contentSlot struct {
	hash uint32
	at   int32
}

// contentHash returns a hash that is not 0.
func contentHash(content []byte) uint32 {
	return max(1, uint32(xxhash.Sum64(content)>>32))
}

// place returns where the search for a hash begins.
func (t *contentTable) place(hash uint32) int {
	const golden = 0x9e3779b97f4a7c15 // spreads hashes over the upper bits
	return int(uint64(hash) * golden >> (65 - uint(bits.Len(uint(len(t.slots))))))
}

// ask asks for the memory in which the search for a hash begins.
func (t *contentTable) ask(hash uint32) {
	if len(t.slots) > 0 {
		prefetch.Of(&t.slots[t.place(hash)])
	}
}

// first returns the number of the first record with that hash.
func (t *contentTable) first(hash uint32) (at int32, ok bool) {
	return t.find(hash, func(int32) bool { return true })
}

// clear forgets all records.
func (t *contentTable) clear() {
	clear(t.slots)
	t.used = 0
}

// find returns the number of the first record with that hash that equal
// accepts.
func (t *contentTable) find(hash uint32, equal func(at int32) bool) (at int32, ok bool) {
	if len(t.slots) == 0 {
		return 0, false
	}
	for i := t.place(hash); t.slots[i].hash != 0; i = (i + 1) & (len(t.slots) - 1) {
		if t.slots[i].hash == hash && equal(t.slots[i].at) {
			return t.slots[i].at, true
		}
	}
	return 0, false
}

// add makes a record known.
func (t *contentTable) add(hash uint32, at int32) {
	if t.used >= len(t.slots)/4*3 {
		t.grow(max(64, 2*len(t.slots)))
	}
	t.put(contentSlot{hash, at})
	t.used++
}

func (t *contentTable) put(s contentSlot) {
	i := t.place(s.hash)
	for t.slots[i].hash != 0 {
		i = (i + 1) & (len(t.slots) - 1)
	}
	t.slots[i] = s
}

// reserve makes room for n records in all.
func (t *contentTable) reserve(n int) {
	size := 64
	for size/4*3 <= n {
		size *= 2
	}
	if size > len(t.slots) {
		t.grow(size)
	}
}

func (t *contentTable) grow(size int) {
	old := t.slots
	t.slots = make([]contentSlot, size)
	hugepage.LaySlice(t.slots)
	for _, s := range old {
		if s.hash != 0 {
			t.put(s)
		}
	}
}

// remove forgets a record. What was pushed on by it moves back, so that no mark
// of it stays (Knuth, The Art of Computer Programming, volume 3, algorithm
// 6.4R).
func (t *contentTable) remove(hash uint32, at int32) {
	mask := len(t.slots) - 1
	i := t.place(hash)
	for t.slots[i] != (contentSlot{hash, at}) {
		if t.slots[i].hash == 0 {
			return
		}
		i = (i + 1) & mask
	}
	t.used--
	for j := i; ; {
		j = (j + 1) & mask
		s := t.slots[j]
		if s.hash == 0 {
			t.slots[i] = contentSlot{}
			return
		}
		if home := t.place(s.hash); (j-home)&mask >= (j-i)&mask {
			t.slots[i] = s
			i = j
		}
	}
}
