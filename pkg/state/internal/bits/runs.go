package bits

import "encoding/binary"

// A Source is numbers of w bits in a bit array, each step bits behind the one
// before, wherever the first one is. The code for vectors knows its fields.
type Source struct {
	data  *byte
	size  int // bytes of data, with what is behind the words
	step  int
	mask  uint32
	quick bool // vectors take the numbers
}

// MakeSource returns that of numbers of w bits, w in [0, 32], step bits apart; step is
// at most 64.
func MakeSource(step, w int) Source {
	return Source{step: step, mask: uint32(Mask(w)), quick: hasVectors && step <= mostStep && w <= mostLane}
}

const (
	// mostStep and mostLane are of numbers that vectors take: four of them are in 16
	// bytes, and each, with the bits before it in its first byte, in four.
	mostStep = 32
	mostLane = 25
)

// Runs are up to ColumnLen runs of numbers, which are read together. MakeRuns makes
// one.
type Runs struct {
	sources []Source
	before  []uint64 // how far before each one's data number 0 would be, in bits
	quick   bool     // vectors take all of them
	list    [ColumnLen]run
	n       int // of list
}

// A run is numbers of a source that follow each other, the first one at bit pos. The
// code for vectors knows its fields.
type run struct {
	pos    uint64
	source int32
	n      int32
}

// MakeRuns returns Runs without any, for numbers from some sources.
func MakeRuns(sources []Source) Runs {
	r := Runs{sources: sources, before: make([]uint64, len(sources)), quick: true}
	for i := range sources {
		r.quick = r.quick && sources[i].quick
	}
	return r
}

// Open says where the numbers of a source are, from now on: the first of the array is
// at bit first.
func (r *Runs) Open(source int, a Words, first int) {
	s := &r.sources[source]
	s.data, s.size, r.before[source] = &a.data[0], len(a.data), a.from-uint64(first)
}

// Reset forgets all runs.
func (r *Runs) Reset() { r.n = 0 }

// Add adds n numbers of a source, from its number first on. The caller guarantees that
// there are so many in what is open.
func (r *Runs) Add(source int32, first uint64, n int32) {
	pos := first*uint64(r.sources[source].step) - r.before[source]
	r.list[r.n&(ColumnLen-1)] = run{pos, source, n}
	r.n++
}

// RunsPad is how many numbers behind those of the runs Unpack may overwrite.
const RunsPad = 7

// Unpack sets dst to the numbers, run after run. There is room for them, and for
// RunsPad more.
func (r *Runs) Unpack(dst []uint32) {
	if r.n == 0 {
		return
	}
	if r.quick {
		unpackRuns(&dst[0], &r.list[0], r.n, &r.sources[0])
		return
	}
	r.unpackSlowly(dst)
}

// unpackSlowly is Unpack of any numbers on any processor.
func (r *Runs) unpackSlowly(dst []uint32) {
	for _, x := range r.list[:r.n] {
		s := &r.sources[x.source]
		data, pos := bytesAt(s.data, s.size), x.pos
		for k := range dst[:x.n] {
			dst[k] = uint32(binary.LittleEndian.Uint64(data[pos>>3:])>>(pos&7)) & s.mask
			pos += uint64(s.step)
		}
		dst = dst[x.n:]
	}
}

// Entries is the entries of hash tables, part by part: of SETs there are no values. Buckets
// is the numbers of their buckets, where these are not all.
type Entries struct {
	Elements, Values, Buckets []uint32
}

// CompactTable sets dst, from entry to on, to the entries of a hash table of n buckets,
// that from entry from of table on, less those whose element says that they are empty. It
// returns how many there are. In dst there is room for n, and behind them, in table, too,
// for RunsPad more, which may be overwritten in dst.
func CompactTable(dst *Entries, to int, table *Entries, from, n int, empty uint32) (kept int) {
	if n == 0 {
		return 0
	}
	if !hasVectors {
		return compactSlowly(dst, to, table, from, n, empty)
	}
	end, tableEnd := to+n+RunsPad-1, from+n+RunsPad-1
	_, _, _ = dst.Elements[end], dst.Buckets[end], table.Elements[tableEnd]
	if len(table.Values) > 0 {
		_, _ = dst.Values[end], table.Values[tableEnd]
	}
	return compactTable(dst, to, table, from, n, empty)
}

// compactSlowly is CompactTable on any processor.
func compactSlowly(dst *Entries, to int, table *Entries, from, n int, empty uint32) (kept int) {
	at := to
	for i, x := range table.Elements[from : from+n] {
		if x == empty {
			continue
		}
		dst.Elements[at], dst.Buckets[at] = x, uint32(i)
		if len(table.Values) > 0 {
			dst.Values[at] = table.Values[from+i]
		}
		at++
	}
	return at - to
}

// Span returns the least and the greatest of some numbers, zeros if there is
// none.
func Span(list []uint32) (least, most uint32) {
	if len(list) >= leastSpan && hasVectors {
		return span(&list[0], len(list))
	}
	return spanSlowly(list)
}

// leastSpan is how many numbers are worth vectors.
const leastSpan = 8

// spanSlowly is Span on any processor.
func spanSlowly(list []uint32) (least, most uint32) {
	if len(list) == 0 {
		return 0, 0
	}
	least = list[0]
	for _, x := range list {
		least, most = min(least, x), max(most, x)
	}
	return least, most
}
