package index

import (
	"encoding/binary"
	"math/bits"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// pair is a key and a record that comes to it or goes. Many are sorted at once,
// so they are two words and hold no pointer.
type pair struct {
	head uint64 // the key's: all of it, if it has at most eight bytes
	rest uint64 // from the top: 32 bits of the key's tail, 31 of the ordinal, 1 if it comes
}

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

func (k keyRef) pair(o state.Ordinal, come uint64) pair {
	return pair{k.head, uint64(k.tail)<<32 | uint64(uint32(o))<<1 | come}
}

func (p pair) tail() uint32           { return uint32(p.rest >> 32) }
func (p pair) ordinal() state.Ordinal { return state.Ordinal(uint32(p.rest) >> 1) }
func (p pair) comes() bool            { return p.rest&1 != 0 }

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

// pairs are what comes and goes, by ascending key; under each key first what
// goes, then what comes, both by ascending ordinal.
type pairs struct {
	list []pair
	long [][]byte // keys of more than eight bytes, by tail
}

var _ keyChanges = pairs{}

func (p pairs) size() int { return len(p.list) }

func (p pairs) keyAt(i int, room *[8]byte) (key []byte, head uint64) {
	at := p.list[i]
	n := int(at.tail())
	switch {
	case n >= tailLong:
		return p.long[n-tailLong], at.head
	case n == tailNone:
		n = codeLength(at.head)
	}
	binary.BigEndian.PutUint64(room[:], at.head)
	return room[:n], at.head
}

// read passes over pairs that are there twice: a record may have a key on
// several ways.
func (p pairs) read(i int, c *keyChange) int {
	first := p.list[i]
	c.key, c.head = p.keyAt(i, &c.room)
	from, come := len(c.ordinals), -1
	last := ^first.rest
	for ; i < len(p.list) && p.list[i].head == first.head && p.list[i].tail() == first.tail(); i++ {
		now := p.list[i]
		if now.rest == last {
			continue
		}
		if last = now.rest; come < 0 && now.comes() {
			come = len(c.ordinals)
		}
		c.ordinals = append(c.ordinals, now.ordinal())
	}
	all := c.ordinals[from:len(c.ordinals):len(c.ordinals)]
	if come < 0 {
		come = len(c.ordinals)
	}
	c.change = change{all[:come-from], all[come-from:]}
	return i
}

// sortPairs sorts pairs by head and tail and leaves those with equal ones in
// the order they are in. It returns them in list or in room, which is as long.
func sortPairs(list, room []pair) []pair {
	if len(list) == 0 {
		return list
	}
	parts := split(len(list), 1<<13)
	heads, tails := make([]uint64, len(parts)), make([]uint64, len(parts))
	inParts(parts, func(i, from, to int) {
		for _, p := range list[from:to] {
			heads[i] |= p.head ^ list[0].head
			tails[i] |= (p.rest ^ list[0].rest) >> 32
		}
	})
	var s radix
	s.parts = parts
	s.counts = make([][]uint32, len(parts))
	for mask := orAll(tails); mask != 0; {
		mask = s.digit(mask)
		s.pass(room, list, func(p pair) uint64 { return p.rest >> 32 })
		list, room = room, list
	}
	for mask := orAll(heads); mask != 0; {
		mask = s.digit(mask)
		s.pass(room, list, func(p pair) uint64 { return p.head })
		list, room = room, list
	}
	return list
}

func orAll(list []uint64) (all uint64) {
	for _, x := range list {
		all |= x
	}
	return all
}

// radix sorts by one digit after the other, the least first.
type radix struct {
	parts  [][2]int
	counts [][]uint32 // by part, then by digit
	shift  uint
	mask   uint64
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

// pass sorts from into to by a digit of a number.
func (s *radix) pass(to, from []pair, number func(pair) uint64) {
	inParts(s.parts, func(i, start, end int) {
		s.counts[i] = slices.Grow(s.counts[i][:0], int(s.mask)+1)[:s.mask+1]
		counts := s.counts[i]
		clear(counts)
		for _, p := range from[start:end] {
			counts[number(p)>>s.shift&s.mask]++
		}
	})
	sum := uint32(0)
	for d := range int(s.mask) + 1 {
		for i := range s.counts {
			n := s.counts[i][d]
			s.counts[i][d] = sum
			sum += n
		}
	}
	inParts(s.parts, func(i, start, end int) {
		counts := s.counts[i]
		for _, p := range from[start:end] {
			d := number(p) >> s.shift & s.mask
			to[counts[d]] = p
			counts[d]++
		}
	})
}
