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
	var word uint64
	n := 0
	for _, v := range values {
		v -= base
		word |= v << uint(n)
		if n += w; n >= 64 {
			binary.LittleEndian.PutUint64(dst, word)
			dst = dst[8:]
			n -= 64
			word = v >> uint(w-n)
		}
	}
	binary.LittleEndian.PutUint64(dst, word)
}

// Unpack reads what Pack has written.
func Unpack(src []byte, w int, values *[ColumnLen]uint64, base uint64) {
	if w > 56 {
		for i := range values {
			values[i] = base + Load(src, uint64(i*w), w)
		}
		return
	}
	mask := uint64(1)<<uint(w) - 1
	pos := uint(0)
	for i := range values {
		values[i] = base + binary.LittleEndian.Uint64(src[pos>>3:])>>(pos&7)&mask
		pos += uint(w)
	}
}
