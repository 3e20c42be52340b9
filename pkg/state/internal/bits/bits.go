// Package bits reads and writes unsigned integers packed without gaps, lowest
// bits first. It is the only bit arithmetic of the state engine.
//
// Two forms exist. A [Words] is Hollow's form in a blob: 64-bit words that are
// big-endian in the file. A page in memory is a little-endian byte string,
// read through [Page] and written by [Pack] and [Writer].
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

// Words is a read-only bit array of a blob. The zero Words has no bits.
type Words struct {
	data []byte // big-endian words; a multiple of 8 bytes
}

// MakeWords returns the bit array stored in data, which it does not copy.
func MakeWords(data []byte) Words { return Words{data[:len(data)&^7]} }

// Bits returns the number of bits in the array.
func (a Words) Bits() uint64 { return uint64(len(a.data)) * 8 }

// At returns the w bits at position pos, w in [0, 64]. The caller guarantees
// pos+w <= Bits().
func (a Words) At(pos uint64, w int) uint64 {
	at := pos >> 6 * 8
	if at+16 > uint64(len(a.data)) {
		return a.atEnd(pos, w)
	}
	// Whether a number goes on in the next word is a guess to a processor: both are
	// read.
	x := binary.BigEndian.Uint64(a.data[at:])>>(pos&63) | binary.BigEndian.Uint64(a.data[at+8:])<<1<<(^pos&63)
	return x & Mask(w)
}

// atEnd is At for numbers that begin in the last word.
func (a Words) atEnd(pos uint64, w int) uint64 {
	if w == 0 {
		return 0
	}
	return binary.BigEndian.Uint64(a.data[pos>>6*8:]) >> (pos & 63) & Mask(w)
}

// Gather sets dst to numbers of w bits, w in [0, 64], of the rows in a list,
// which is as long as dst and ascending: row i begins at bit i*step, and the
// number in it at bit start. The caller guarantees that there are such rows.
func (a Words) Gather(dst, rows []uint64, step, start uint64, w int) {
	mask := Mask(w)
	for i, row := range rows {
		pos := row*step + start
		at := pos >> 6 * 8
		if at+16 > uint64(len(a.data)) {
			dst[i] = a.atEnd(pos, w)
			continue
		}
		x := binary.BigEndian.Uint64(a.data[at:])>>(pos&63) | binary.BigEndian.Uint64(a.data[at+8:])<<1<<(^pos&63)
		dst[i] = x & mask
	}
}

// Unpack sets dst to the numbers from position pos on, of w bits each, w in
// [0, 32]. The caller guarantees that there are so many.
func (a Words) Unpack(dst []uint32, pos uint64, w int) {
	mask := Mask(w)
	safe := 0 // numbers that begin before the last word
	if last := uint64(max(len(a.data)-8, 0)) * 8; w > 0 && pos < last {
		safe = int(min(uint64(len(dst)), (last-pos+uint64(w)-1)/uint64(w)))
	}
	for i := range dst[:safe] {
		at := pos >> 6 * 8
		x := binary.BigEndian.Uint64(a.data[at:])>>(pos&63) | binary.BigEndian.Uint64(a.data[at+8:])<<1<<(^pos&63)
		dst[i] = uint32(x & mask)
		pos += uint64(w)
	}
	for i := range dst[safe:] {
		dst[safe+i] = uint32(a.At(pos, w))
		pos += uint64(w)
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
