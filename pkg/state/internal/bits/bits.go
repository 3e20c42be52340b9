// Package bits reads and writes unsigned integers packed without gaps, lowest
// bits first. It is the only bit arithmetic of the state engine.
//
// Two forms exist. Hollow's blobs have 64-bit words that are big-endian. A page in
// memory is a little-endian byte string, read through [Page] and written by [Pack]
// and [Writer]; so is what a blob has once it is turned, a [Words].
package bits

import (
	"encoding/binary"
	"math/bits"
	"slices"
)

// Pad is the number of bytes that must follow the last packed bit of a page,
// so that Page may always read whole words.
const Pad = 8

// Len returns the number of bits needed to write x without leading zeros.
func Len(x uint64) int { return bits.Len64(x) }

// Mask returns a number whose lowest w bits are ones; w may be 64.
func Mask(w int) uint64 {
	if w >= 64 {
		return ^uint64(0)
	}
	return 1<<uint(w) - 1
}

// Words is a read-only bit array, or a window of one. The zero Words has no bits.
type Words struct {
	data []byte // little-endian words, and WordsPad bytes behind them
	from uint64 // where data begins in the array
	bits uint64 // of data
}

// WordsPad is the number of bytes behind the words in the memory of a [Words], so
// that a number may be read as two whole words wherever it ends, and one of a [Runs]
// with up to seven that would follow it.
const WordsPad = 32

// BlobWords is the words of a bit array as a blob has them. The zero BlobWords has
// none.
type BlobWords struct {
	data []byte
}

// MakeBlobWords returns the words in data.
func MakeBlobWords(data []byte) BlobWords { return BlobWords{data: data[:len(data)&^7]} }

// Bytes returns the words as the blob has them.
func (b BlobWords) Bytes() []byte { return b.data }

// Bits returns the number of bits in the words.
func (b BlobWords) Bits() uint64 { return uint64(len(b.data)) * 8 }

// Word returns the i'th 64 bits.
func (b BlobWords) Word(i int) uint64 { return binary.BigEndian.Uint64(b.data[8*i:]) }

// At returns the w bits at position pos, w in [0, 64], as [Words.At] does, which is
// quicker.
func (b BlobWords) At(pos uint64, w int) uint64 {
	if w == 0 {
		return 0
	}
	at, shift := int(pos/64), pos%64
	x := b.Word(at) >> shift
	if int(shift)+w > 64 {
		x |= b.Word(at+1) << (64 - shift)
	}
	return x & Mask(w)
}

// Turn returns the bit array.
func (b BlobWords) Turn() Words {
	w, _ := b.Window(nil, 0, b.Bits())
	return w
}

// Window returns those bits of the array that are at positions from one to before
// another, and which the array has. It keeps them in what room has behind its end, or in a
// larger room, and returns the room without that.
func (b BlobWords) Window(room []byte, from, to uint64) (w Words, rest []byte) {
	first, end := from/64*8, (to+63)/64*8
	n := int(end - first)
	room = slices.Grow(room, n+WordsPad)
	w = Words{room[len(room) : len(room)+n+WordsPad], first * 8, uint64(n) * 8}
	turn(w.data[:n], b.data[first:end])
	return w, room[:len(room)+n+WordsPad]
}

// turn sets dst, whole words, to those of src in the other order of bytes.
func turn(dst, src []byte) {
	if n := len(dst) &^ 31; n > 0 && hasVectors {
		turnVectors(&dst[0], &src[:n][0], n)
		dst, src = dst[n:], src[n:]
	}
	turnSlowly(dst, src)
}

// turnSlowly is turn on any processor.
func turnSlowly(dst, src []byte) {
	for ; len(dst) >= 8; dst, src = dst[8:], src[8:] {
		binary.LittleEndian.PutUint64(dst, binary.BigEndian.Uint64(src))
	}
}

// Bits returns the number of bits in the array.
func (a Words) Bits() uint64 { return a.bits }

// At returns the w bits at position pos, w in [0, 64]. The caller guarantees
// that they are there.
func (a Words) At(pos uint64, w int) uint64 {
	pos -= a.from
	at, shift := pos>>3, pos&7
	x := binary.LittleEndian.Uint64(a.data[at:])
	if w > 57 {
		return (x>>shift | binary.LittleEndian.Uint64(a.data[at+8:])<<(64-shift)) & Mask(w)
	}
	return x >> shift & Mask(w)
}

// Gather sets dst to numbers of w bits, w in [0, 64], of the rows in a list,
// which ascends and is as long as dst: row i begins at bit i*step, and the number in it at
// bit start. The caller guarantees that there are such rows.
func (a Words) Gather(dst, rows []uint64, step, start uint64, w int) {
	n := len(rows)
	if n == 0 {
		return
	}
	if rows[n-1]-rows[0] == uint64(n-1) {
		a.Deal(dst, 1, rows[0], n, step, start, w, 0)
		return
	}
	a.gatherSlowly(dst, rows, step, start, w)
}

// Deal sets each'th numbers of dst, from the first on, to those of the n rows from row
// first on, as Gather does, plus add, in w bits.
func (a Words) Deal(dst []uint64, each int, first uint64, n int, step, start uint64, w int, add uint64) {
	if n == 0 {
		return
	}
	if !hasVectors || w > 57 {
		a.dealSlowly(dst, each, first, n, step, start, w, add)
		return
	}
	pos := first*step + start - a.from
	_, _ = dst[(n-1)*each], a.data[(pos+uint64(n-1)*step)>>3+7] // the last number
	deal(&dst[0], each*8, &a.data[0], pos, step, n, Mask(w), add)
}

// dealSlowly is Deal of any numbers on any processor.
func (a Words) dealSlowly(dst []uint64, each int, first uint64, n int, step, start uint64, w int, add uint64) {
	for i := range n {
		dst[i*each] = (a.At((first+uint64(i))*step+start, w) + add) & Mask(w)
	}
}

// gatherSlowly is Gather of any rows on any processor.
func (a Words) gatherSlowly(dst, rows []uint64, step, start uint64, w int) {
	for i, row := range rows {
		dst[i] = a.At(row*step+start, w)
	}
}

// A Packer builds a bit array of a blob. The zero Packer is empty.
type Packer struct {
	words []uint64
}

// Reset empties p and makes room for n bits, all zero.
func (p *Packer) Reset(n uint64) {
	words := int((n + 63) / 64)
	if cap(p.words) < words {
		p.words = make([]uint64, words)
		return
	}
	p.words = p.words[:words]
	clear(p.words)
}

// Set writes the w lowest bits of x at position pos, whose bits are still
// zero and within the room that Reset made.
func (p *Packer) Set(pos uint64, w int, x uint64) {
	if w == 0 {
		return
	}
	at, shift := pos>>6, uint(pos&63)
	p.words[at] |= x << shift
	if int(shift)+w > 64 {
		p.words[at+1] |= x >> (64 - shift)
	}
}

// Words returns the packed words; they are valid until the next Reset.
func (p *Packer) Words() []uint64 { return p.words }
