package bits

import "encoding/binary"

// A Source is numbers of w bits in a bit array, each step bits behind the one
// before. The code for vectors knows its fields.
type Source struct {
	data   *byte
	size   int // bytes of data, with what is behind the words
	step   uint64
	before uint64 // how far before data number 0 would be, in bits
	mask   uint32
	quick  bool // vectors take the numbers
}

// MakeSource returns that of numbers of w bits, w in [0, 32], step bits apart; step is
// at most 64.
func MakeSource(step, w int) Source {
	return Source{step: uint64(step), mask: uint32(Mask(w)), quick: hasVectors && step <= mostStep && w <= mostLane}
}

const (
	// mostStep and mostLane are of numbers that vectors take: four of them are in 16
	// bytes, and each, with the bits before it in its first byte, in four.
	mostStep = 32
	mostLane = 25
)

// A Run is N numbers of a source that follow each other, from the one with number First
// on. The code for vectors knows its fields.
type Run struct {
	First     uint64
	Source, N int32
}

// Sources is what runs are of. MakeSources makes it.
type Sources struct {
	list  []Source
	quick bool // vectors take all of them
}

// MakeSources returns that of a list, none of which is open.
func MakeSources(list []Source) Sources {
	s := Sources{list, true}
	for i := range list {
		s.quick = s.quick && list[i].quick
	}
	return s
}

// Open says where the numbers of a source are, from now on: the first of the array is
// at bit first.
func (s *Sources) Open(source int, a Words, first int) {
	o := &s.list[source]
	o.data, o.size, o.before = &a.data[0], len(a.data), a.from-uint64(first)
}

// RunsPad is how many numbers behind those of the runs Unpack may overwrite.
const RunsPad = 7

// Unpack sets dst to the numbers of runs, run after run. There is room for them, and for
// RunsPad more. The caller guarantees that they are in what is open.
func (s *Sources) Unpack(dst []uint32, runs []Run) {
	if len(runs) == 0 {
		return
	}
	if s.quick {
		unpackRuns(&dst[0], &runs[0], len(runs), &s.list[0])
		return
	}
	s.unpackSlowly(dst, runs)
}

// unpackSlowly is Unpack of any numbers on any processor.
func (s *Sources) unpackSlowly(dst []uint32, runs []Run) {
	for _, x := range runs {
		o := &s.list[x.Source]
		data, pos := bytesAt(o.data, o.size), x.First*o.step-o.before
		for k := range dst[:x.N] {
			dst[k] = uint32(binary.LittleEndian.Uint64(data[pos>>3:])>>(pos&7)) & o.mask
			pos += o.step
		}
		dst = dst[x.N:]
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
