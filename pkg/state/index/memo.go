package index

import (
	"bytes"

	"github.com/cespare/xxhash/v2"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// numbers gives keys small numbers, in order of appearance.
type numbers struct {
	list  [][]byte // by number
	room  []byte   // for further keys
	table []uint64 // number plus one, and a part of the hash in the upper half
}

func newNumbers() numbers { return numbers{table: make([]uint64, 64)} }

// of returns the number of a key, a new one if it has none.
func (n *numbers) of(key []byte) int32 {
	hash := xxhash.Sum64(key)
	mask := uint64(len(n.table) - 1)
	i := hash & mask
	for ; n.table[i] != 0; i = (i + 1) & mask {
		number := int32(uint32(n.table[i])) - 1
		if n.table[i]>>32 == hash>>32 && bytes.Equal(n.list[number], key) {
			return number
		}
	}
	n.list = append(n.list, n.keep(key))
	n.table[i] = hash>>32<<32 | uint64(len(n.list))
	if 2*len(n.list) > len(n.table) {
		n.grow()
	}
	return int32(len(n.list) - 1)
}

func (n *numbers) keep(key []byte) []byte {
	if len(n.room)+len(key) > cap(n.room) {
		n.room = make([]byte, 0, max(1<<12, len(key)))
	}
	start := len(n.room)
	n.room = append(n.room, key...)
	return n.room[start:]
}

func (n *numbers) grow() {
	n.table = make([]uint64, 4*len(n.table))
	mask := uint64(len(n.table) - 1)
	for number, key := range n.list {
		hash := xxhash.Sum64(key)
		i := hash & mask
		for n.table[i] != 0 {
			i = (i + 1) & mask
		}
		n.table[i] = hash>>32<<32 | uint64(number+1)
	}
}

// memo remembers a number by ordinal. The zero memo remembers nothing.
type memo struct {
	on    bool
	all   []int32  // by ordinal: number plus two, 0 for none
	table []uint64 // of few: number plus two, and ordinal in the upper half
	used  int
}

// newMemo returns a memo for most records of a type, or for few.
func newMemo(t *state.Type, all bool) memo {
	if all {
		return memo{on: true, all: make([]int32, t.Max()+1)}
	}
	return memo{on: true, table: make([]uint64, 64)}
}

func (m *memo) get(o state.Ordinal) (int32, bool) {
	if uint(o) < uint(len(m.all)) {
		return m.all[o] - 2, m.all[o] != 0
	}
	if m.table == nil || o < 0 {
		return 0, false
	}
	e := m.table[m.place(o)]
	return int32(uint32(e)) - 2, e != 0
}

// place returns where an ordinal is in the table, or would be.
func (m *memo) place(o state.Ordinal) int {
	mask := len(m.table) - 1
	i := int(uint64(o)*hashPrime>>32) & mask
	for m.table[i] != 0 && state.Ordinal(m.table[i]>>32) != o {
		i = (i + 1) & mask
	}
	return i
}

func (m *memo) set(o state.Ordinal, n int32) {
	if uint(o) < uint(len(m.all)) {
		m.all[o] = n + 2
	}
	if m.table == nil || o < 0 {
		return
	}
	if 2*m.used >= len(m.table) {
		old := m.table
		m.table = make([]uint64, 4*len(old))
		for _, e := range old {
			if e != 0 {
				m.table[m.place(state.Ordinal(e>>32))] = e
			}
		}
	}
	m.table[m.place(o)] = uint64(o)<<32 | uint64(uint32(n+2))
	m.used++
}
