package index

import (
	"encoding/binary"
	"math/bits"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/internal/arena"
	bytebits "github.com/holdfast-data/holdfast/pkg/state/internal/bits"
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
// the first eight, bit 8*i+1 for entry 8+i. It marks all that do, and some
// behind one that does. It has no branch that waits for memory, so that several
// look-ups can wait for theirs at the same time.
func matches(b *[blockBytes]byte, tag byte) uint64 {
	pattern := uint64(tag) * 0x0101010101010101
	first := zeroBytes(binary.LittleEndian.Uint64(b[:]) ^ pattern)
	rest := zeroBytes(uint64(binary.LittleEndian.Uint32(b[8:])) ^ pattern&0xffffffff)
	return first>>7 | rest>>6&0x02020202
}

// zeroBytes sets the highest bit of each byte that is 0, and of some bytes above
// one that is 0: a borrow leaves only those.
func zeroBytes(x uint64) uint64 {
	return (x - 0x0101010101010101) &^ x & 0x8080808080808080
}

// entryOf returns the entry of the lowest bit of what matches returned.
func entryOf(m uint64) int {
	at := bits.TrailingZeros64(m)
	return at>>3 + at&1*8
}

func used(b *[blockBytes]byte) int { return int(b[usedAt] &^ passed) }

func ordinalAt(b *[blockBytes]byte, i int) state.Ordinal {
	at := uint(ordsAt+4*i) % blockBytes // it is less, but the compiler does not know
	return state.Ordinal(binary.LittleEndian.Uint32(b[at&^3:]))
}

func setEntry(b *[blockBytes]byte, i int, tag byte, o state.Ordinal) {
	b[i] = tag
	binary.LittleEndian.PutUint32(b[ordsAt+4*i:], uint32(o))
}

// blockAt returns block i of a group.
func blockAt(g bytebits.Page, i int) *[blockBytes]byte { return g.Line(uint64(i) * blockBytes) }
