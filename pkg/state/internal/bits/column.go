package bits

import (
	"encoding/binary"
	"math"
)

// ColumnLen is the number of values in a column of a page.
const ColumnLen = 16

// Extent returns the least and the greatest of values less slope for each before, and
// whether an odd number is between any two. They are compared as signed numbers if signed
// is set. slope has at most 32 bits.
func Extent(values *[ColumnLen]uint64, slope uint64, signed bool) (least, most uint64, odd bool) {
	if hasVectors {
		if low, high, odd, ok := extent(values, slope); ok && (signed || low >= 0) {
			return uint64(low), uint64(high), odd
		}
	}
	return extentSlowly(values, slope, signed)
}

// extentSlowly is Extent of any numbers on any processor.
func extentSlowly(values *[ColumnLen]uint64, slope uint64, signed bool) (least, most uint64, odd bool) {
	flip := uint64(1) << 63 // makes what is not signed sort as if it were
	if signed {
		flip = 0
	}
	low, high := int64(math.MaxInt64), int64(math.MinInt64)
	line, all, any := uint64(0), ^uint64(0), uint64(0)
	for _, v := range values {
		x := v - line
		line += slope
		all, any = all&x, any|x
		low, high = min(low, int64(x^flip)), max(high, int64(x^flip))
	}
	return uint64(low) ^ flip, uint64(high) ^ flip, (all^any)&1 != 0
}

// Pack writes the values less base, and less slope for each value before, as numbers of
// w bits each, from the start of dst. It fills 2*w bytes and may overwrite up to 8 bytes
// more. No difference may need more than w bits; slope has at most 32.
func Pack(dst []byte, w int, values *[ColumnLen]uint64, base, slope uint64) {
	if w == 0 {
		return
	}
	if canPack(w) {
		_ = dst[2*w+Pad-1]
		pack(&dst[0], w, values, base, slope)
		return
	}
	packSlowly(dst, w, values, base, slope)
}

// packSlowly is Pack on any processor.
func packSlowly(dst []byte, w int, values *[ColumnLen]uint64, base, slope uint64) {
	if w == 64 {
		for i, v := range values {
			binary.LittleEndian.PutUint64(dst[8*i:], v-base)
			base += slope
		}
		return
	}
	word, n := uint64(0), uint(0)
	for _, v := range values {
		v -= base
		base += slope
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

// entryParts is how many parts an entry has at most.
const entryParts = 3

// An Entry says how the parts of entries of a collection are written, one behind the
// other: each less its base, in its width, which is at most 32.
type Entry struct {
	Width, Base [entryParts]uint64
}

// Bits returns how much an entry takes.
func (e *Entry) Bits() int { return int(e.Width[0] + e.Width[1] + e.Width[2]) }

// WriteEntries writes entries whose parts are in lists, all of one length but for those
// that are empty: there 0 is written.
func (p *Writer) WriteEntries(lists *[entryParts][]uint32, e *Entry) {
	all, n := e.Bits(), len(lists[0])
	eights := n / 8
	if eights == 0 || p.n != 0 || !canPack(all) {
		p.writeSlowly(lists, 0, e)
		return
	}
	var first [entryParts]*uint32
	for k, list := range lists {
		if len(list) > 0 {
			first[k] = &list[:n][0]
		}
	}
	_ = p.dst[eights*all+Pad-1]
	packEntries(&p.dst[0], all, eights, &first, e)
	p.dst, p.word = p.dst[eights*all:], 0
	p.writeSlowly(lists, 8*eights, e)
}

// writeSlowly is WriteEntries of those behind the first ones on any processor.
func (p *Writer) writeSlowly(lists *[entryParts][]uint32, first int, e *Entry) {
	for i := first; i < len(lists[0]); i++ {
		head := uint64(lists[0][i]) - e.Base[0]
		if len(lists[1]) > 0 {
			head |= (uint64(lists[1][i]) - e.Base[1]) << (e.Width[0] & 63)
		}
		last := uint64(0)
		if len(lists[2]) > 0 {
			last = uint64(lists[2][i]) - e.Base[2]
		}
		p.WriteLong(head, int(e.Width[0]+e.Width[1]))
		p.Write(last, int(e.Width[2]))
	}
}

// WriteLong is Write of more bits, w at most 64.
func (p *Writer) WriteLong(x uint64, w int) {
	if w <= MostWritten {
		p.Write(x, w)
		return
	}
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
