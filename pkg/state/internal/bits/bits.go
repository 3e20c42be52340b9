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

// Words is a read-only bit array. The zero Words has no bits.
type Words struct {
	data []byte // little-endian words, and WordsPad bytes behind them
	bits uint64
}

// WordsPad is the number of bytes behind the words in the memory of a [Words], so
// that a number may be read as two whole words wherever it ends, and one of a [Runs]
// with up to seven that would follow it.
const WordsPad = 32

// BlobWords is the words of a bit array as a blob has them. The zero BlobWords has
// none.
type BlobWords struct {
	data []byte
	own  bool // and room for WordsPad bytes behind them, so that they can be turned where they are
}

// MakeBlobWords returns the words in data, which stays as it is.
func MakeBlobWords(data []byte) BlobWords { return BlobWords{data: data[:len(data)&^7]} }

// OwnBlobWords returns the words in data, but for its last WordsPad bytes. It takes
// data over.
func OwnBlobWords(data []byte) BlobWords {
	return BlobWords{data[:(len(data)-WordsPad)&^7], true}
}

// Bits returns the number of bits in the words.
func (b BlobWords) Bits() uint64 { return uint64(len(b.data)) * 8 }

// Turn returns the bit array. It is called once: words of its own it turns where
// they are.
func (b BlobWords) Turn() Words {
	n := len(b.data)
	if !b.own {
		to := make([]byte, n+WordsPad)
		turn(to[:n], b.data)
		return Words{to, b.Bits()}
	}
	turn(b.data, b.data)
	return Words{b.data[:n+WordsPad], b.Bits()}
}

// turn sets dst, whole words, to those of src in the other order of bytes. They
// may be the same.
func turn(dst, src []byte) {
	for ; len(dst) >= 32; dst, src = dst[32:], src[32:] { // with one look at the lengths for four words
		to, from := (*[32]byte)(dst), (*[32]byte)(src)
		binary.LittleEndian.PutUint64(to[:8], binary.BigEndian.Uint64(from[:8]))
		binary.LittleEndian.PutUint64(to[8:16], binary.BigEndian.Uint64(from[8:16]))
		binary.LittleEndian.PutUint64(to[16:24], binary.BigEndian.Uint64(from[16:24]))
		binary.LittleEndian.PutUint64(to[24:], binary.BigEndian.Uint64(from[24:]))
	}
	for ; len(dst) >= 8; dst, src = dst[8:], src[8:] {
		binary.LittleEndian.PutUint64(dst, binary.BigEndian.Uint64(src))
	}
}

// Bits returns the number of bits in the array.
func (a Words) Bits() uint64 { return a.bits }

// Bytes returns the memory of the array: bit i is in byte i/8.
func (a Words) Bytes() []byte { return a.data[:a.bits/8] }

// At returns the w bits at position pos, w in [0, 64]. The caller guarantees
// pos+w <= Bits().
func (a Words) At(pos uint64, w int) uint64 {
	at, shift := pos>>3, pos&7
	x := binary.LittleEndian.Uint64(a.data[at:])
	if w > 57 {
		return (x>>shift | binary.LittleEndian.Uint64(a.data[at+8:])<<(64-shift)) & Mask(w)
	}
	return x >> shift & Mask(w)
}

// Gather sets dst to numbers of w bits, w in [0, 64], of the rows in a list,
// which is as long as dst: row i begins at bit i*step, and the number in it at bit
// start. The caller guarantees that there are such rows.
func (a Words) Gather(dst, rows []uint64, step, start uint64, w int) {
	if w > 57 {
		for i, row := range rows {
			dst[i] = a.At(row*step+start, w)
		}
		return
	}
	mask, data := Mask(w), a.data
	dst = dst[:len(rows)]
	for i, row := range rows {
		pos := row*step + start
		dst[i] = binary.LittleEndian.Uint64(data[pos>>3:]) >> (pos & 7) & mask
	}
}

// Scatter is Gather of numbers plus add, in w bits, each to its own place in dst:
// those of rows to the places that places have. It returns the greatest.
func (a Words) Scatter(dst []uint64, places []uint16, rows []uint64, step, start uint64, w int, add uint64) (greatest uint64) {
	mask, data := Mask(w), a.data
	rows = rows[:len(places)]
	for i, to := range places {
		pos := rows[i]*step + start
		x := uint64(0)
		if w > 57 {
			x = a.At(pos, w)
		} else {
			x = binary.LittleEndian.Uint64(data[pos>>3:]) >> (pos & 7)
		}
		x = (x + add) & mask
		greatest = max(greatest, x)
		dst[to] = x
	}
	return greatest
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
