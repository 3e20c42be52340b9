package state

import (
	"math"
	mathbits "math/bits"

	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
	"github.com/holdfast-data/holdfast/pkg/state/internal/prefetch"
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
	t     *Type
	field int
	kind  FieldType
	next  int // chunk

	expansion bits.Expansion // of the page under way

	ahead    [pagesAhead]page // the next ones
	n        int
	bits     [chunkOrdinals]uint64
	taken    [chunkPages]uint16 // which ordinals of each page of the chunk
	ordinals [chunkOrdinals]Ordinal
	longs    [chunkOrdinals]int64
	doubles  [chunkOrdinals]float64
}

// Scan returns a Scanner of field f, which must be neither STRING nor BYTES.
func (t *Type) Scan(f int) *Scanner {
	kind := t.schema.Fields[f].Type
	return &Scanner{t: t, field: f, kind: kind, expansion: bits.Expansion{Null: nullBits(kind)}}
}

// Next reads further records and says whether there were any. What the methods
// returned before is overwritten.
func (s *Scanner) Next() bool {
	s.n = 0
	for s.n == 0 && s.next < len(s.t.table) {
		c, after := s.t.table[s.next], s.t.table.get(s.next+1)
		if s.next == 0 {
			for p := range pagesAhead {
				s.ahead[p] = s.ask(c[p])
			}
		}
		for i, e := range c {
			p := &s.ahead[i%pagesAhead]
			if s.taken[i] = e.live(); e != 0 {
				s.page(i, *p)
			}
			if next := i + pagesAhead; next < chunkPages {
				*p = s.ask(c[next])
			} else {
				*p = s.ask(after[next-chunkPages])
			}
		}
		s.next++
	}
	return s.n > 0
}

// pagesAhead is how many pages a Scanner asks for before it needs them. It
// divides the pages of a chunk.
const pagesAhead = 8

// ask returns the page of an entry and asks for the memory that page reads.
func (s *Scanner) ask(e entry) page {
	p := s.t.pageAt(e)
	if e == 0 {
		return p
	}
	c := &p.lay.cols[s.field]
	prefetch.Range(p.data.Byte(c.head), 0, c.bytes())
	return p
}

// page appends the records of page i of the chunk.
func (s *Scanner) page(i int, p page) {
	c := &p.lay.cols[s.field]
	out := (*[pageSize]uint64)(s.bits[s.n:])
	s.expansion.Mask, s.expansion.Unit = c.mask, c.div
	s.expansion.Base, s.expansion.Slope = p.head(c)
	taken := s.taken[i] &^ p.data.Expand(out, c.bit>>3, int(c.width), &s.expansion)
	if taken != 1<<pageSize-1 {
		s.compact(out, taken)
		s.taken[i] = taken
	}
	s.n += mathbits.OnesCount16(taken)
}

// compact moves the values that are taken to the front.
func (s *Scanner) compact(out *[pageSize]uint64, taken uint16) {
	n := 0
	for ; taken != 0; taken &= taken - 1 {
		out[n] = out[mathbits.TrailingZeros16(taken)]
		n++
	}
}

// Ordinals returns the records. The slice is valid until Next.
func (s *Scanner) Ordinals() []Ordinal {
	n := 0
	for p, taken := range s.taken {
		first := Ordinal((s.next-1)<<chunkShift | p<<pageShift)
		for ; taken != 0; taken &= taken - 1 {
			s.ordinals[n] = first + Ordinal(mathbits.TrailingZeros16(taken))
			n++
		}
	}
	return s.ordinals[:n]
}

// Bits returns the values in the form of Record.Bits. The slice is valid until
// Next.
func (s *Scanner) Bits() []uint64 { return s.bits[:s.n] }

// Longs returns the values of an INT or LONG field. The slice is valid until
// Next.
func (s *Scanner) Longs() []int64 {
	bits.UnZigZag(s.longs[:s.n], s.bits[:s.n])
	return s.longs[:s.n]
}

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
	base, pos := p.offset(c, 0), c.bit+start*p.lay.entryBits
	for ; start < end; start++ {
		list = append(list, Ordinal(p.data.Load(pos, c.mask)+base))
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
		at, to := pos+uint64(k.bit), pos+uint64(v.bit)
		list = append(list, Entry{
			Ordinal(p.data.Load(at, k.mask) + keyBase),
			Ordinal(p.data.Load(to, v.mask) + valueBase),
		})
		pos += p.lay.entryBits
	}
	return list
}

// Prefetch asks for the memory of records that will be read soon: who reads
// what a list refers to waits once instead of once a record. It changes no
// result, and is worth its price from about three records on.
func (t *Type) Prefetch(list []Ordinal) {
	for _, o := range list {
		t.prefetch(o)
	}
}

// prefetch asks for the memory of o.
func (t *Type) prefetch(o Ordinal) {
	if e := t.entry(o); e != 0 {
		t.ask(t.lays.get(e.layout()), t.blocks.Page(e.handle()), int(o)%pageSize)
	}
}

// prefetchPage asks for the page of o.
func (t *Type) prefetchPage(o Ordinal) {
	if e := t.entry(o); e != 0 {
		prefetch.Range(t.blocks.Page(e.handle()).Byte(0), 0, min(max(int(t.pageBytes), prefetched), 4*prefetched))
	}
}

// prefetched is how many bytes of a page's columns are asked for: all, of most.
const prefetched = 3 * 64

// ask asks for the columns of a page and for what record i has in the heap, of
// which it knows about where it is.
func (t *Type) ask(lay *layout, data bits.Page, i int) {
	prefetch.Range(data.Byte(0), 0, min(int(lay.heap), prefetched))
	t.askHeap(lay, data, i)
}

func (t *Type) askHeap(lay *layout, data bits.Page, i int) {
	if each := (int(t.pageBytes) - int(lay.heap)) / pageSize; lay.inOrder && each > 0 {
		prefetch.Range(data.Byte(0), int(lay.heap)+i*each, each)
	}
}

// Prefetch asks for the memory of r, which must be a record: for what it takes to
// read these fields of an OBJECT, or for all if there are none. See Type.Prefetch.
func (r Record) Prefetch(fields ...int) {
	if len(fields) == 0 {
		r.t.ask(r.lay, r.data, r.slot())
		return
	}
	from, to := uint64(math.MaxUint64), uint64(0)
	for _, f := range fields {
		c := r.lay.column(f)
		from, to = min(from, c.head), max(to, c.at(uint64(r.slot())+1)>>3)
		if r.t.schema.Fields[f].Type.variable() {
			r.t.askHeap(r.lay, r.data, r.slot())
		}
	}
	prefetch.Range(r.data.Byte(0), int(from), int(to-from)+1)
}
