package index

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// Keys of a tree are bytes. Those of one part sort as the values do: null
// first, numbers as numbers (-0.0 before 0.0), false before true, text by its
// UTF-8, bytes as they are.

const (
	codeNull  = 0x00
	codeData  = 0x01 // text, bytes, FLOAT and DOUBLE
	codeZero  = 0x80 // plus or minus the length of an integer
	maxInline = 16   // the longest key that a Hash keeps as it is
)

// appendParts appends the code of a key.
func appendParts(dst []byte, key []state.Value) []byte {
	for i, v := range key {
		dst = appendPart(dst, v, i == len(key)-1)
	}
	return dst
}

// appendPart appends the code of one part. Only the last part needs no length.
func appendPart(dst []byte, v state.Value, last bool) []byte {
	switch v.Type() {
	case 0:
		return append(dst, codeNull)
	case state.String:
		return appendData(dst, canonical(v.Data()), last)
	case state.Bytes:
		return appendData(dst, v.Data(), last)
	case state.Float:
		x := math.Float32bits(v.Float())
		flip := uint32(int32(x)>>31) | 1<<31 // all of a negative number, the sign of others
		return binary.BigEndian.AppendUint32(append(dst, codeData), x^flip)
	case state.Double:
		x := math.Float64bits(v.Double())
		flip := uint64(int64(x)>>63) | 1<<63
		return binary.BigEndian.AppendUint64(append(dst, codeData), x^flip)
	case state.Boolean:
		if v.Bool() {
			return appendInteger(dst, 1)
		}
		return appendInteger(dst, 0)
	case state.Reference:
		return appendInteger(dst, int64(v.Reference()))
	case state.Int:
		return appendInteger(dst, int64(v.Int()))
	}
	return appendInteger(dst, v.Long())
}

func appendData(dst, data []byte, last bool) []byte {
	dst = append(dst, codeData)
	if !last {
		dst = binary.AppendUvarint(dst, uint64(len(data)))
	}
	return append(dst, data...)
}

// appendInteger appends as many bytes as the number needs, behind their count.
func appendInteger(dst []byte, v int64) []byte {
	u := uint64(v)
	if v < 0 {
		u = ^u
	}
	n := (bits.Len64(u) + 7) / 8
	if v < 0 {
		dst = append(dst, byte(codeZero-1-n))
	} else {
		dst = append(dst, byte(codeZero+n))
	}
	for n--; n >= 0; n-- {
		dst = append(dst, byte(v>>(8*n)))
	}
	return dst
}

// shorten returns the key that a Hash keeps: a long one is its digest, longer
// by a byte than what is kept as it is.
func shorten(code []byte) []byte {
	if len(code) <= maxInline {
		return code
	}
	sum := sha256.Sum256(code)
	return append(code[:0], sum[:maxInline+1]...)
}

// headOf returns the first eight bytes of a key as a number that sorts as they
// do.
func headOf(key []byte) uint64 {
	if len(key) >= 8 {
		return binary.BigEndian.Uint64(key)
	}
	var h uint64
	for i, b := range key {
		h |= uint64(b) << (56 - 8*i)
	}
	return h
}

// integerHead returns headOf the code of an INT or LONG, if all of that is in
// it.
func integerHead(v state.Value) (head uint64, ok bool) {
	var x int64
	switch v.Type() {
	case state.Int:
		x = int64(v.Int())
	case state.Long:
		x = v.Long()
	default:
		return 0, false
	}
	n := (bits.Len64(uint64(x^x>>63)) + 7) / 8
	if n > 7 {
		return 0, false
	}
	lead := codeZero + n
	if x < 0 {
		lead = codeZero - 1 - n
	}
	return uint64(lead)<<56 | uint64(x)<<(64-8*n)>>8, true
}
