package wire

import (
	"encoding/binary"
	"fmt"
	"slices"
	"unicode/utf16"
)

// AppendVint appends v as a 32-bit variable-length integer.
func AppendVint(b []byte, v int32) []byte {
	if v < 0 {
		b = append(b, 0x80|byte(uint32(v)>>28))
		return appendGroups(b, uint64(uint32(v)), 4)
	}
	return AppendVlong(b, uint64(v))
}

// AppendVlong appends v as a 64-bit variable-length integer.
func AppendVlong(b []byte, v uint64) []byte {
	if v>>63 != 0 {
		b = append(b, 0x81)
		return appendGroups(b, v, 9)
	}
	groups := 1
	for v>>(7*groups) != 0 && groups < 9 {
		groups++
	}
	return appendGroups(b, v, groups)
}

// appendGroups appends the lowest n groups of seven bits, highest first.
func appendGroups(b []byte, v uint64, n int) []byte {
	for i := n - 1; i > 0; i-- {
		b = append(b, 0x80|byte(v>>(7*i)))
	}
	return append(b, byte(v&0x7f))
}

// SizeVint returns the length of AppendVint's output.
func SizeVint(v int32) int { return len(AppendVint(nil, v)) }

// AppendUTF appends s in Java's modified UTF-8 with its length before it. It
// fails above 65535 bytes.
func AppendUTF(b []byte, s string) ([]byte, error) {
	start := len(b)
	b = append(b, 0, 0)
	for _, c := range utf16.Encode([]rune(s)) {
		switch {
		case c != 0 && c < 0x80:
			b = append(b, byte(c))
		case c < 0x800:
			b = append(b, 0xc0|byte(c>>6), 0x80|byte(c&0x3f))
		default:
			b = append(b, 0xe0|byte(c>>12), 0x80|byte(c>>6&0x3f), 0x80|byte(c&0x3f))
		}
	}
	n := len(b) - start - 2
	if n > 0xffff {
		return b[:start], fmt.Errorf("name of %d bytes is longer than the 65535 that a blob can hold", n)
	}
	binary.BigEndian.PutUint16(b[start:], uint16(n))
	return b, nil
}

// AppendWords appends a bit array with its word count before it.
func AppendWords(b []byte, words []uint64) []byte {
	b = slices.Grow(AppendVlong(b, uint64(len(words))), 8*len(words))
	for _, w := range words {
		b = binary.BigEndian.AppendUint64(b, w)
	}
	return b
}

// AppendGaps appends ascending ordinals with their byte count before them.
func AppendGaps(b []byte, ordinals []int32) []byte {
	var list []byte
	last := int32(0)
	for _, o := range ordinals {
		list = AppendVint(list, o-last)
		last = o
	}
	b = AppendVlong(b, uint64(len(list)))
	return append(b, list...)
}

// ZigZag32 and its kin map signed numbers to unsigned ones, small to small.
func ZigZag32(v int32) uint32 { return uint32(v<<1) ^ uint32(v>>31) }

// UnZigZag32 is the inverse of ZigZag32.
func UnZigZag32(z uint32) int32 { return int32(z>>1) ^ -int32(z&1) }

// ZigZag64 is ZigZag32 for 64 bits.
func ZigZag64(v int64) uint64 { return uint64(v<<1) ^ uint64(v>>63) }

// UnZigZag64 is the inverse of ZigZag64.
func UnZigZag64(z uint64) int64 { return int64(z>>1) ^ -int64(z&1) }
