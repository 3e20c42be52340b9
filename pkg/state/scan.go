package state

import (
	"math"
	mathbits "math/bits"

	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// A Scanner reads one field of all records of a type, many at a time and in
// ascending order of ordinals. Records in which the field is null are left out.
// It is for one goroutine.
//
//	s := t.Scan(f)
//	for s.Next() {
//		for i, v := range s.Longs() {
//			// the record s.Ordinals()[i] has the value v
//		}
//	}
type Scanner struct {
	t      *Type
	field  int
	kind   FieldType
	signed bool // what bits has are signed numbers, not their zigzag forms

	from, to Ordinal            // the records asked for
	next     int                // chunk that is asked for next
	ahead    [2]scanBatch       // the chunk before it in ahead[(next-1)%2], asked for
	now      *scanBatch         // that was read
	taken    [chunkPages]uint16 // which ordinals of each page of it
	n        int
	bits     [chunkOrdinals]uint64 // of INT and LONG: int64s
	forms    []uint64              // Bits of INT and LONG
	ordinals [chunkOrdinals]Ordinal
	doubles  [chunkOrdinals]float64
}

// scanBatch is the pages of a chunk that have records.
type scanBatch struct {
	chunk   int
	n       int
	pages   [chunkPages]bits.Page
	columns [chunkPages]*column
	live    [chunkPages]uint16
	number  [chunkPages]uint8 // in the chunk
}

// Scan returns a Scanner of field f, which must be neither STRING nor BYTES.
func (t *Type) Scan(f int) *Scanner { return t.ScanRange(f, 0, MaxOrdinal+1) }

// ScanRange is Scan for the records from one ordinal to before another, so that
// several goroutines can have a part each.
func (t *Type) ScanRange(f int, from, to Ordinal) *Scanner {
	kind := t.schema.Fields[f].Type
	from = max(from, 0)
	s := &Scanner{t: t, field: f, kind: kind, signed: kind == Int || kind == Long, from: from, to: to, next: int(from >> chunkShift)}
	s.ask()
	return s
}

// Next reads further records and says whether there were any. What the methods
// returned before is overwritten.
func (s *Scanner) Next() bool {
	s.n = 0
	for s.n == 0 && s.next <= len(s.t.table) && s.next<<chunkShift < int(s.to)+chunkOrdinals {
		s.now = &s.ahead[(s.next-1)%2]
		s.ask()
		s.read()
	}
	return s.n > 0
}

// ask collects the pages of the next chunk and asks for the memory that read
// reads.
func (s *Scanner) ask() {
	b := &s.ahead[s.next%2]
	b.chunk, b.n = s.next, 0
	first := Ordinal(s.next << chunkShift)
	inner := first >= s.from && first+chunkOrdinals <= s.to
	for i, e := range s.t.table.get(s.next) {
		live := e.live()
		if !inner {
			live &= maskBetween(first+Ordinal(i*pageSize), s.from, s.to)
		}
		if live == 0 {
			continue
		}
		p := s.t.pageAt(e)
		b.pages[b.n], b.columns[b.n] = p.data, p.lay.column(s.field)
		b.live[b.n], b.number[b.n] = live, uint8(i)
		b.n++
	}
	bits.Prefetch(b.pages[:b.n], b.columns[:b.n])
	s.next++
}

// maskBetween returns which slots of the page that begins with first are from one
// ordinal to before another.
func maskBetween(first, from, to Ordinal) uint16 {
	low, high := min(max(from-first, 0), pageSize), min(max(to-first, 0), pageSize)
	return uint16((1<<high - 1) &^ (1<<low - 1))
}

// read reads the numbers of the pages of now.
func (s *Scanner) read() {
	b := s.now
	var nulls [chunkPages]uint16
	bits.ExpandColumns(s.bits[:], nulls[:], b.pages[:b.n], b.columns[:b.n], nullBits(s.kind), s.signed)
	for i, live := range b.live[:b.n] {
		taken := live &^ nulls[i]
		s.taken[i] = taken
		if from := i * pageSize; taken == allSlots && from == s.n {
			s.n += pageSize
		} else {
			s.compact(from, taken)
		}
	}
}

// compact moves values of the page that is at from behind those that are taken.
func (s *Scanner) compact(from int, taken uint16) {
	for ; taken != 0; taken &= taken - 1 {
		s.bits[s.n] = s.bits[from+mathbits.TrailingZeros16(taken)]
		s.n++
	}
}

// Ordinals returns the records. The slice is valid until Next.
func (s *Scanner) Ordinals() []Ordinal {
	n := 0
	for i, taken := range s.taken[:s.now.n] {
		first := Ordinal(s.now.chunk<<chunkShift | int(s.now.number[i])<<pageShift)
		for ; taken != 0; taken &= taken - 1 {
			s.ordinals[n] = first + Ordinal(mathbits.TrailingZeros16(taken))
			n++
		}
	}
	return s.ordinals[:n]
}

// Bits returns the values in the form of Record.Bits. The slice is valid until
// Next.
func (s *Scanner) Bits() []uint64 {
	if !s.signed {
		return s.bits[:s.n]
	}
	s.forms = s.forms[:0]
	for _, v := range s.bits[:s.n] {
		s.forms = append(s.forms, wire.ZigZag64(int64(v))+1)
	}
	return s.forms
}

// Longs returns the values of an INT or LONG field. The slice is valid until
// Next.
func (s *Scanner) Longs() []int64 { return bits.Signed(s.bits[:s.n]) }

// Doubles returns the values of a FLOAT or DOUBLE field. The slice is valid
// until Next.
func (s *Scanner) Doubles() []float64 {
	for i, x := range s.bits[:s.n] {
		if s.kind == Float {
			s.doubles[i] = float64(math.Float32frombits(uint32(x)))
		} else {
			s.doubles[i] = math.Float64frombits(x)
		}
	}
	return s.doubles[:s.n]
}

// AppendElements appends the elements of a LIST or SET, those of a SET in the
// order of its hash table. It is faster than Element for one after the other.
func (r Record) AppendElements(list []Ordinal) []Ordinal {
	p := r.page()
	start, end := p.entries(r.slot())
	c := &p.lay.cols[endColumn+1]
	base, pos := p.offset(c, 0), c.Bit+start*p.lay.entryBits
	for ; start < end; start++ {
		list = append(list, Ordinal(p.data.Load(pos, c.Mask)+base))
		pos += p.lay.entryBits
	}
	return list
}

// AppendEntries appends the entries of a MAP in the order of its hash table. It
// is faster than Entry for one after the other.
func (r Record) AppendEntries(list []Entry) []Entry {
	p := r.page()
	start, end := p.entries(r.slot())
	k, v := &p.lay.cols[endColumn+1], &p.lay.cols[endColumn+2]
	keyBase, valueBase := p.offset(k, 0), p.offset(v, 0)
	pos := start * p.lay.entryBits
	for ; start < end; start++ {
		at, to := pos+k.Bit, pos+v.Bit
		list = append(list, Entry{
			Ordinal(p.data.Load(at, k.Mask) + keyBase),
			Ordinal(p.data.Load(to, v.Mask) + valueBase),
		})
		pos += p.lay.entryBits
	}
	return list
}
