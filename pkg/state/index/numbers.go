package index

import (
	"bytes"

	"github.com/cespare/xxhash/v2"
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
