package bits

import "encoding/binary"

// ColumnLen is the number of values in a column of a page.
const ColumnLen = 16

// Pack writes the values less base as numbers of w bits each, from the start of
// dst. It fills 2*w bytes and may overwrite up to 8 bytes more. No difference
// may need more than w bits.
func Pack(dst []byte, w int, values *[ColumnLen]uint64, base uint64) {
	switch w {
	case 0:
		return
	case 64:
		for i, v := range values {
			binary.LittleEndian.PutUint64(dst[8*i:], v-base)
		}
		return
	}
	word, n := uint64(0), uint(0)
	for _, v := range values {
		v -= base
		word |= v << (n & 63)
		if n += uint(w); n >= 64 {
			binary.LittleEndian.PutUint64(dst, word)
			dst = dst[8:]
			n -= 64
			word = v >> ((uint(w) - n) & 63) // w is less than 64
		}
	}
	binary.LittleEndian.PutUint64(dst, word)
}

// A Writer writes numbers one after the other, from the start of a byte slice
// on. It may overwrite up to Pad bytes behind the last. Each number is in place
// when Write returns.
type Writer struct {
	dst  []byte
	word uint64
	n    uint // bits in word
}

// MakeWriter returns a Writer to dst, which must have room for all numbers and
// Pad bytes more.
func MakeWriter(dst []byte) Writer { return Writer{dst: dst} }

// WriteAll is Write for all values, less the base, in w bits each; w is at most
// 32.
func (p *Writer) WriteAll(values []uint32, w int, base uint32) {
	if w == 0 {
		return
	}
	word, n, dst := p.word, p.n, p.dst
	if 2*w <= MostWritten {
		for ; len(values) >= 2; values = values[2:] {
			two := uint64(values[0]-base) | uint64(values[1]-base)<<(w&31)
			word |= two << (n & 63)
			n += 2 * uint(w)
			binary.LittleEndian.PutUint64(dst, word)
			dst = dst[n>>3:]
			word >>= n &^ 7 & 63
			n &= 7
		}
	}
	for _, v := range values {
		word |= uint64(v-base) << (n & 63)
		n += uint(w)
		binary.LittleEndian.PutUint64(dst, word)
		dst = dst[n>>3:]
		word >>= n &^ 7 & 63
		n &= 7
	}
	p.dst, p.word, p.n = dst, word, n
}

// WriteLong is Write of more bits, w at most 64.
func (p *Writer) WriteLong(x uint64, w int) {
	half := w / 2
	p.Write(x&Mask(half), half)
	p.Write(x>>half, w-half)
}

// MostWritten is the most bits that Write can write at once.
const MostWritten = 56

// Write appends the w lowest bits of x, w in [0, MostWritten]. The bits of x above
// must be zero.
func (p *Writer) Write(x uint64, w int) {
	p.word |= x << (p.n & 63)
	p.n += uint(w)
	binary.LittleEndian.PutUint64(p.dst, p.word)
	p.dst = p.dst[p.n>>3:]
	p.word >>= p.n &^ 7 & 63 // there are never 64: see MostWritten
	p.n &= 7
}
