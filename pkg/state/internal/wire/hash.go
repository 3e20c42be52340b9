package wire

import (
	"encoding/binary"
	"math/bits"
)

// Murmur is MurmurHash3 x86_32 with Hollow's seed.
func Murmur(data []byte) int32 {
	const c1, c2 = 0xcc9e2d51, 0x1b873593
	h := uint32(0xeab524b9)
	n := len(data)
	for ; len(data) >= 4; data = data[4:] {
		k := binary.LittleEndian.Uint32(data) * c1
		h ^= bits.RotateLeft32(k, 15) * c2
		h = bits.RotateLeft32(h, 13)*5 + 0xe6546b64
	}
	var k uint32
	for i := len(data) - 1; i >= 0; i-- {
		k = k<<8 | uint32(data[i])
	}
	if len(data) > 0 {
		h ^= bits.RotateLeft32(k*c1, 15) * c2
	}
	h ^= uint32(n)
	h ^= h >> 16
	h *= 0x85ebca6b
	h ^= h >> 13
	h *= 0xc2b2ae35
	h ^= h >> 16
	return int32(h)
}

// HashInt is Hollow's mixing of 32 bits.
func HashInt(v int32) int32 {
	k := uint32(v)
	k = ^k + k<<15
	k ^= k >> 12
	k += k << 2
	k ^= k >> 4
	k *= 2057
	k ^= k >> 16
	return int32(k)
}

// HashLong is Hollow's mixing of 64 bits into 32.
func HashLong(v int64) int32 {
	k := uint64(v)
	k = ^k + k<<18
	k ^= k >> 31
	k *= 21
	k ^= k >> 11
	k += k << 6
	k ^= k >> 22
	return int32(uint32(k))
}

// JavaHash is java.lang.String.hashCode.
func JavaHash(units []uint16) int32 {
	var h int32
	for _, c := range units {
		h = 31*h + int32(c)
	}
	return h
}

// MaxTableEntries is the greatest size that TableSize accepts.
const MaxTableEntries = 751619276

// TableSize returns the number of buckets of a SET or MAP with n entries.
func TableSize(n uint64) uint64 {
	switch n {
	case 0, 1:
		return n + 1
	case 2:
		return 4
	}
	return 1 << uint(bits.Len64(n*10/7-1))
}
