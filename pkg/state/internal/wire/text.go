package wire

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
)

// Text in memory is UTF-8. A STRING of a blob that no UTF-8 text yields (an
// unpaired surrogate, an unfinished or oversized unit) keeps its raw bytes
// behind rawMark, which begins no UTF-8 text, so nothing is lost.
const rawMark = 0xff

// AppendText appends the in-memory form of STRING data of a blob.
func AppendText(b, data []byte) []byte {
	if IsASCII(data) {
		return append(b, data...)
	}
	return appendWideText(b, data)
}

// IsASCII says whether no byte is 0x80 or more.
func IsASCII(data []byte) bool {
	const high = 0x8080808080808080
	for ; len(data) >= 32; data = data[32:] { // with one branch for four words
		if (word(data)|word(data[8:])|word(data[16:])|word(data[24:]))&high != 0 {
			return false
		}
	}
	for ; len(data) >= 8; data = data[8:] {
		if word(data)&high != 0 {
			return false
		}
	}
	for _, c := range data {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// word is a function of its own because one in a variable is called, not inlined.
func word(data []byte) uint64 { return binary.LittleEndian.Uint64(data) }

func appendWideText(b, data []byte) []byte {
	start := len(b)
	for i := 0; i < len(data); {
		c, n := unit(data[i:])
		if n == 0 {
			return append(append(b[:start], rawMark), data...)
		}
		i += n
		r := rune(c)
		if utf16.IsSurrogate(r) {
			low, n2 := unit(data[i:])
			r = utf16.DecodeRune(r, rune(low))
			if n2 == 0 || r == utf8.RuneError {
				return append(append(b[:start], rawMark), data...)
			}
			i += n2
		}
		b = utf8.AppendRune(b, r)
	}
	return b
}

// unit reads one canonical variable-length UTF-16 code unit; n is 0 if there
// is none.
func unit(b []byte) (c uint16, n int) {
	var v uint32
	for n = 0; n < len(b) && n < 3; {
		x := b[n]
		if n == 0 && x == 0x80 {
			return 0, 0
		}
		v = v<<7 | uint32(x&0x7f)
		n++
		if x&0x80 == 0 {
			if v > 0xffff {
				return 0, 0
			}
			return uint16(v), n
		}
	}
	return 0, 0
}

// IsRaw says whether text in memory is the raw form, that is, not UTF-8.
func IsRaw(text []byte) bool { return len(text) > 0 && text[0] == rawMark }

// AppendString appends the blob's STRING data for text in memory.
func AppendString(b, text []byte) []byte {
	if IsRaw(text) {
		return append(b, text[1:]...)
	}
	if IsASCII(text) {
		return append(b, text...)
	}
	for i := 0; i < len(text); {
		if text[i] < 0x80 {
			b = append(b, text[i])
			i++
			continue
		}
		r, n := utf8.DecodeRune(text[i:])
		i += n
		if r1, r2 := utf16.EncodeRune(r); r1 != utf8.RuneError {
			b = AppendVint(b, r1)
			r = r2
		}
		b = AppendVint(b, r)
	}
	return b
}

// AppendUnits appends the UTF-16 code units of text in memory. A last,
// unfinished unit of raw text is ignored, as Java does.
func AppendUnits(units []uint16, text []byte) []uint16 {
	if !IsRaw(text) {
		for _, r := range string(text) {
			units = utf16.AppendRune(units, r)
		}
		return units
	}
	var v uint32
	for _, x := range text[1:] {
		v = v<<7 | uint32(x&0x7f)
		if x&0x80 == 0 {
			units = append(units, uint16(v))
			v = 0
		}
	}
	return units
}
