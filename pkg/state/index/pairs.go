package index

import (
	"math/bits"
	"slices"
)

// pair is a key with a number, in two words and without a pointer, since many are
// sorted at once: the head of the key, which is all of it, if it has at most
// eight bytes; and in the upper half of the other word the key's tail, in the
// lower the number.
type pair [2]uint64

// The tail of a key, which tells keys with one head apart and sorts them.
const (
	tailNone = 0  // the code of a number: the head says how long it is
	tailLong = 16 // and above: a longer key, by its number; below: how long it is
)

// keyRef is a key, of which a longer one has a number.
type keyRef struct {
	head uint64
	tail uint32
}

func (k keyRef) pair(number int) pair { return pair{k.head, uint64(k.tail)<<32 | uint64(number)} }

func (p pair) head() uint64 { return p[0] }
func (p pair) tail() uint32 { return uint32(p[1] >> 32) }
func (p pair) number() int  { return int(uint32(p[1])) }
func (p pair) key() keyRef  { return keyRef{p.head(), p.tail()} }

// codeLength returns the length of the code of a number of at most eight bytes.
func codeLength(head uint64) int {
	switch b := int(head >> 56); {
	case b == codeNull:
		return 1
	case b == codeData: // of a FLOAT: that of a DOUBLE is longer
		return 5
	case b >= codeZero:
		return 1 + b - codeZero
	default:
		return codeZero - b
	}
}

// sortPairs sorts pairs by head and tail and leaves those with equal ones in
// the order they are in. It returns them in list or in room, which is as long.
func sortPairs(list, room []pair) []pair {
	if len(list) == 0 {
		return list
	}
	s := radix{parts: split(len(list), 1<<13)}
	s.counts = make([][]uint32, len(s.parts))
	vary := s.vary(list)
	masks := [2]uint64{vary[0], vary[1] >> 32 << 32}
	for s.word = 1; s.word >= 0; s.word-- {
		for mask := masks[s.word]; mask != 0; {
			mask = s.digit(mask)
			s.pass(room, list)
			list, room = room, list
		}
	}
	return list
}

// radix sorts pairs by one digit of a word after the other, the least first.
type radix struct {
	parts  [][2]int
	counts [][]uint32 // by part, then by digit
	word   int
	shift  uint
	mask   uint64
}

// vary returns the bits that are not the same in all pairs.
func (s *radix) vary(list []pair) pair {
	found := make([]pair, len(s.parts))
	inParts(s.parts, func(i, from, to int) {
		var all pair
		for _, p := range list[from:to] {
			all[0] |= p[0] ^ list[0][0]
			all[1] |= p[1] ^ list[0][1]
		}
		found[i] = all
	})
	var all pair
	for _, f := range found {
		all[0] |= f[0]
		all[1] |= f[1]
	}
	return all
}

// digit chooses the lowest digit that the bits of a mask are in, and returns
// the bits above it.
func (s *radix) digit(mask uint64) uint64 {
	const widest = 11
	low := bits.TrailingZeros64(mask)
	span := bits.Len64(mask) - low
	digits := (span + widest - 1) / widest
	width := (span + digits - 1) / digits
	s.shift, s.mask = uint(low), 1<<width-1
	return mask &^ (s.mask << low)
}

// of returns the digit of a pair.
func (s *radix) of(p *pair) uint64 { return p[s.word&1] >> (s.shift & 63) & s.mask }

// pass sorts from into to by the digit.
func (s *radix) pass(to, from []pair) {
	digits := int(s.mask) + 1
	inParts(s.parts, func(i, start, end int) {
		counts := slices.Grow(s.counts[i][:0], digits)[:digits]
		clear(counts)
		own := *s
		for k := range from[start:end] {
			counts[own.of(&from[start+k])]++
		}
		s.counts[i] = counts
	})
	sum := uint32(0)
	for d := range digits {
		for i := range s.counts {
			n := s.counts[i][d]
			s.counts[i][d] = sum
			sum += n
		}
	}
	inParts(s.parts, func(i, start, end int) {
		counts, own := s.counts[i], *s
		for k := range from[start:end] {
			p := &from[start+k]
			at := &counts[own.of(p)]
			to[*at] = *p
			*at++
		}
	})
}
