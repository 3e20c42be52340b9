package index

import (
	"encoding/binary"
	"slices"
)

// exchanged is what a change takes and brings: records by key. Keys have numbers
// in their order.
type exchanged struct {
	keys       []pair
	long       [][]byte // keys of more than eight bytes, by tail
	gone, come grouped
	numbers    []int32 // of the keys that there is a change of; nil: all
}

var _ keyChanges = exchanged{}

func (x exchanged) size() int {
	if x.numbers != nil {
		return len(x.numbers)
	}
	return len(x.keys)
}

// number returns the number of the key of change i.
func (x exchanged) number(i int) int {
	if x.numbers != nil {
		return int(x.numbers[i])
	}
	return i
}

func (x exchanged) keyAt(i int, room *[8]byte) (key []byte, head uint64) {
	k := x.keys[x.number(i)]
	n := int(k.tail())
	switch {
	case n >= tailLong:
		return x.long[n-tailLong], k.head()
	case n == tailNone:
		n = codeLength(k.head())
	}
	binary.BigEndian.PutUint64(room[:], k.head())
	return room[:n], k.head()
}

// read takes out what is there twice: a record may have a key on several ways.
func (x exchanged) read(i int, c *keyChange) {
	c.key, c.head = x.keyAt(i, &c.room)
	n := int32(x.number(i))
	c.change = change{slices.Compact(x.gone.of(n)), slices.Compact(x.come.of(n))}
}
