package state

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
)

// cell is the naive form of one field of one record in a page.
type cell struct {
	num  uint64 // as in a page
	text []byte
	null bool // of a text
}

// naivePage is a page as plain values.
type naivePage struct {
	schema *Schema
	set    uint16
	cells  [pageSize][]cell
	lists  [pageSize][]collectionEntry
}

// limitOf returns the greatest number that a page has for a type.
func limitOf(t FieldType) uint64 {
	switch t {
	case Boolean:
		return 2
	case Int:
		return 1 << 32
	case Reference:
		return MaxOrdinal + 1
	case Float:
		return math.MaxUint32
	}
	return math.MaxUint64
}

// numberProfiles are kinds of columns. Each returns a number for every slot.
var numberProfiles = map[string]func(r *rand.Rand, t FieldType) [pageSize]uint64{
	"constant": func(r *rand.Rand, t FieldType) (out [pageSize]uint64) {
		x := anyBits(r)
		for i := range out {
			out[i] = x
		}
		return out
	},
	"zero": func(*rand.Rand, FieldType) (out [pageSize]uint64) { return out },
	"all null": func(_ *rand.Rand, t FieldType) (out [pageSize]uint64) {
		for i := range out {
			out[i] = nullBits(t)
		}
		return out
	},
	"constant or null": func(r *rand.Rand, t FieldType) (out [pageSize]uint64) {
		x := anyBits(r)
		for i := range out {
			out[i] = [...]uint64{x, nullBits(t)}[r.IntN(2)]
		}
		return out
	},
	"sloped": func(r *rand.Rand, _ FieldType) (out [pageSize]uint64) {
		base, slope, noise := anyBits(r), r.Uint64()>>(47+r.IntN(17)), r.Uint64()>>(54+r.IntN(11))
		for i := range out {
			out[i] = base + slope*uint64(i)
			if noise > 0 {
				out[i] += r.Uint64N(noise)
			}
		}
		return out
	},
	"divisible": func(r *rand.Rand, t FieldType) (out [pageSize]uint64) {
		base, div, most := anyBits(r), divisors[r.IntN(len(divisors))], 1+r.Uint64()>>(44+r.IntN(20))
		for i := range out {
			out[i] = base + div*r.Uint64N(most)
		}
		return out
	},
	"near each other": func(r *rand.Rand, t FieldType) (out [pageSize]uint64) {
		base, most := anyBits(r), 1+r.Uint64()>>(1+r.IntN(63))
		for i := range out {
			out[i] = base + r.Uint64N(most)
		}
		return out
	},
	"extreme": func(r *rand.Rand, t FieldType) (out [pageSize]uint64) {
		all := []uint64{0, 1, 2, 3, limitOf(t), limitOf(t) - 1, limitOf(t)/2 + 1, limitOf(t) / 2, nullBits(t)}
		switch t {
		case Float:
			for _, f := range []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat32, math.SmallestNonzeroFloat32} {
				all = append(all, uint64(math.Float32bits(float32(f))))
			}
		case Double:
			for _, f := range []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), math.MaxFloat64, math.SmallestNonzeroFloat64} {
				all = append(all, math.Float64bits(f))
			}
		}
		few := all[r.IntN(len(all)):]
		for i := range out {
			out[i] = few[r.IntN(len(few))]
		}
		return out
	},
}

// anyBits returns a number of any length.
func anyBits(r *rand.Rand) uint64 { return r.Uint64() >> r.IntN(65) }

// textProfiles are kinds of columns of texts; nil is null.
var textProfiles = map[string]func(r *rand.Rand, i int) []byte{
	"equal lengths":  func(r *rand.Rand, _ int) []byte { return someBytes(r, 7) },
	"empty":          func(*rand.Rand, int) []byte { return []byte{} },
	"all null":       func(*rand.Rand, int) []byte { return nil },
	"empty or null":  func(r *rand.Rand, _ int) []byte { return [][]byte{nil, {}}[r.IntN(2)] },
	"short":          func(r *rand.Rand, _ int) []byte { return someBytes(r, r.IntN(30)) },
	"short or null":  func(r *rand.Rand, _ int) []byte { return [][]byte{nil, someBytes(r, r.IntN(30))}[r.IntN(2)] },
	"growing":        func(r *rand.Rand, i int) []byte { return someBytes(r, i*i*10) },
	"long and short": func(r *rand.Rand, i int) []byte { return someBytes(r, [...]int{300_000, 0, 3, 70_000}[(i+1)%4]) },
}

func someBytes(r *rand.Rand, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = byte(r.Uint32())
	}
	return out
}

// entryProfiles are kinds of numbers in the entries of collections.
var entryProfiles = map[string]func(r *rand.Rand, k int) uint32{
	"constant":      func(*rand.Rand, int) uint32 { return 77_777 },
	"zero":          func(*rand.Rand, int) uint32 { return 0 },
	"one after one": func(_ *rand.Rand, k int) uint32 { return 1_000_000 + uint32(k) },
	"small":         func(r *rand.Rand, _ int) uint32 { return r.Uint32N(100) },
	"any":           func(r *rand.Rand, _ int) uint32 { return r.Uint32N(MaxOrdinal + 1) },
	"extreme":       func(r *rand.Rand, _ int) uint32 { return [...]uint32{0, 1, MaxOrdinal, math.MaxUint32}[r.IntN(4)] },
}

func profile[T any](t *rapid.T, all map[string]T, label string) T {
	var names []string
	for name := range all {
		names = append(names, name)
	}
	slices.Sort(names)
	return all[rapid.SampledFrom(names).Draw(t, label)]
}

var fieldTypes = []FieldType{Int, Long, Boolean, Float, Double, String, Bytes, Reference}

func drawSchema(t *rapid.T) *Schema {
	s := &Schema{Name: "T", Kind: rapid.SampledFrom([]Kind{Object, Object, Object, List, Set, Map}).Draw(t, "kind"), Element: "E", Value: "V"}
	if s.Kind == Object {
		for i, ft := range rapid.SliceOfN(rapid.SampledFrom(fieldTypes), 1, 7).Draw(t, "fields") {
			s.Fields = append(s.Fields, Field{Name: fmt.Sprintf("f%d", i), Type: ft, Ref: "E"})
		}
	}
	return s
}

// drawPage draws the values of one page: a profile and a seed for each column.
func drawPage(t *rapid.T, s *Schema) *naivePage {
	p := &naivePage{schema: s, set: rapid.OneOf(rapid.Just(uint16(math.MaxUint16)), rapid.Uint16Range(1, math.MaxUint16)).Draw(t, "set")}
	r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
	if s.Kind != Object {
		p.drawLists(t, r)
		return p
	}
	for _, field := range s.Fields {
		if field.Type.variable() {
			text := profile(t, textProfiles, "texts")
			for i := range p.cells {
				b := text(r, i)
				p.cells[i] = append(p.cells[i], cell{text: b, null: b == nil})
			}
			continue
		}
		nums := profile(t, numberProfiles, "numbers")(r, field.Type)
		for i, x := range nums {
			if limit := limitOf(field.Type); x > limit {
				x %= limit + 1
			}
			p.cells[i] = append(p.cells[i], cell{num: x})
		}
	}
	return p
}

func (p *naivePage) drawLists(t *rapid.T, r *rand.Rand) {
	most := rapid.SampledFrom([]int{0, 1, 3, 20, 400}).Draw(t, "entries")
	same := rapid.Bool().Draw(t, "equal lengths")
	element, value, bucket := profile(t, entryProfiles, "elements"), profile(t, entryProfiles, "values"), profile(t, entryProfiles, "buckets")
	k := 0
	for i := range p.lists {
		if p.set>>i&1 == 0 {
			continue
		}
		n := most
		if !same {
			n = r.IntN(most + 1)
		}
		for range n {
			e := collectionEntry{element: element(r, k)}
			if p.schema.Kind != List {
				e.bucket = bucket(r, k)
			}
			if p.schema.Kind == Map {
				e.value = value(r, k)
			}
			p.lists[i] = append(p.lists[i], e)
			k++
		}
	}
}

// fill gives the slots of mask to b.
func (p *naivePage) fill(b *pageBuilder, mask uint16) {
	b.set |= mask
	for i := range pageSize {
		if mask>>i&1 == 0 {
			continue
		}
		b.lists.set(i, p.lists[i])
		for f, c := range p.cells[i] {
			if p.schema.Fields[f].Type.variable() {
				b.setText(&b.texts[f], i, c.text, c.null)
			} else {
				b.nums[f][i] = c.num
			}
		}
	}
}

// check compares the slots of mask with what a page reads.
func (p *naivePage) check(t *rapid.T, got page, mask uint16) {
	for i := range pageSize {
		if mask>>i&1 == 0 {
			continue
		}
		if p.schema.Kind != Object {
			if list := appendEntries(nil, got, i); !slices.Equal(list, p.lists[i]) {
				t.Fatalf("slot %d has %v, want %v", i, list, p.lists[i])
			}
		}
		for f, want := range p.cells[i] {
			if !p.schema.Fields[f].Type.variable() {
				if x := got.at(&got.lay.cols[f], i); x != want.num {
					t.Fatalf("slot %d, field %d: %#x, want %#x; column %+v", i, f, x, want.num, got.lay.cols[f])
				}
				continue
			}
			text, null := got.span(f, i)
			if null != want.null || !bytes.Equal(text, want.text) {
				t.Fatalf("slot %d, field %d: %d bytes (null %v), want %d (null %v); column %+v", i, f, len(text), null, len(want.text), want.null, got.lay.cols[f])
			}
		}
	}
}

// pack returns the page that b has.
func pack(b *pageBuilder) (*layout, []byte, error) {
	lay, size, err := b.plan()
	if err != nil {
		return nil, nil, err
	}
	out := bytes.Repeat([]byte{0xa5}, size+2*bits.Pad)
	b.fill(out[:size+bits.Pad:size+bits.Pad], lay)
	if !bytes.Equal(out[size+bits.Pad:], bytes.Repeat([]byte{0xa5}, bits.Pad)) {
		return nil, nil, errors.New("bytes behind the padding are overwritten")
	}
	return lay, out[:size], nil
}

// packed packs what b has and returns the page as it is read: with bytes behind
// it that mean nothing.
func packed(t *rapid.T, b *pageBuilder) page {
	lay, data, err := pack(b)
	if err != nil {
		t.Fatal(err)
	}
	p := page{lay, bits.PageAt(append(bytes.Clone(data), bytes.Repeat([]byte{0xa5}, bits.Pad)...), 0)}
	if n := p.size(); n != len(data) {
		t.Fatalf("size is %d, %d bytes were packed", n, len(data))
	}
	return p
}

func (ls *layouts) setAll(list []*layout) { ls.count.Store(int32(copy(ls.list[:], list))) }

// crowd is layouts that fit nothing, to count as those that a type has.
var crowd = sync.OnceValue(func() []*layout {
	list := make([]*layout, maxLayouts)
	for i := range list {
		list[i] = &layout{number: uint16(i), shapes: slices.Repeat([]shape{{kind: math.MaxUint8}}, 8)}
	}
	return list
})

// TestPages packs columns of all kinds, from the first layouts of a type, which
// are exact, to where all are as wide as can be, reads every value back, and
// copies pages into others.
func TestPages(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSchema(t)
		lays, others := &layouts{}, crowd()[:rapid.SampledFrom([]int{0, exactLayouts, roundedLayouts, maxLayouts - 1, maxLayouts}).Draw(t, "layouts")]
		lays.setAll(others)
		b, other := newPageBuilder(s, lays), newPageBuilder(s, lays)
		for range rapid.IntRange(1, 20).Draw(t, "pages") {
			want := drawPage(t, s)
			b.reset(0)
			want.fill(b, want.set)
			p := packed(t, b)
			want.check(t, p, want.set)

			other.reset(0)
			other.copyPage(p, want.set)
			again := packed(t, other)
			want.check(t, again, want.set)
			if again.lay == p.lay && !bytes.Equal(again.bytes(), p.bytes()) {
				t.Fatalf("a copy has %d bytes and the page %d, or others", again.size(), p.size())
			}

			// Part of the page, and some of another: as a change does it.
			mask, more := want.set&rapid.Uint16().Draw(t, "kept"), drawPage(t, s)
			more.set &^= mask
			other.reset(0)
			other.copyPage(p, mask)
			more.fill(other, more.set)
			mixed := packed(t, other)
			want.check(t, mixed, mask)
			more.check(t, mixed, more.set)
		}
		checkLayouts(t, lays)
	})
}

// checkLayouts holds that numbers name layouts, and that there are not more
// than there may be.
func checkLayouts(t *rapid.T, lays *layouts) {
	for i, l := range lays.all() {
		if int(l.number) != i {
			t.Fatalf("layout %d has the number %d", i, l.number)
		}
	}
	if n := len(lays.all()); n > maxLayouts+1 {
		t.Fatalf("there are %d layouts", n)
	}
}

// TestManyLayouts gives one type columns of all widths: its layouts stay few.
func TestManyLayouts(t *testing.T) {
	fields := make([]Field, 4)
	for i := range fields {
		fields[i] = Field{Name: fmt.Sprint(i), Type: Long}
	}
	lays := &layouts{}
	b := newPageBuilder(&Schema{Name: "T", Kind: Object, Fields: fields}, lays)
	r := rand.New(rand.NewPCG(5, 6))
	for range 8_000 {
		b.reset(0)
		b.set = math.MaxUint16
		for f := range b.nums {
			base, w := anyBits(r), r.IntN(65)
			for i := range b.nums[f] {
				b.nums[f][i] = base + r.Uint64()>>w>>1
			}
		}
		if _, _, err := pack(b); err != nil {
			t.Fatal(err)
		}
		lay, data, err := pack(b) // the same shapes again
		if err != nil {
			t.Fatal(err)
		}
		p := page{lay, bits.PageAt(append(data, make([]byte, bits.Pad)...), 0)}
		for f := range b.nums {
			for i, want := range b.nums[f] {
				if got := p.at(&p.lay.cols[f], i); got != want {
					t.Fatalf("layout %d, field %d, slot %d: %#x, want %#x", p.lay.number, f, i, got, want)
				}
			}
		}
	}
	if n := len(lays.all()); n < roundedLayouts || n > maxLayouts+1 {
		t.Errorf("there are %d layouts", n)
	}
}

// TestRoomForZero makes layouts with room for what pages need: of FLOAT and DOUBLE
// columns that are all zero, that is not nothing, which would be null.
func TestRoomForZero(t *testing.T) {
	for _, ft := range fieldTypes {
		if ft.variable() {
			continue
		}
		lays, others := &layouts{}, crowd()[:exactLayouts]
		lays.setAll(others)
		b := newPageBuilder(&Schema{Name: "T", Kind: Object, Fields: []Field{{Name: "f", Type: ft, Ref: "E"}}}, lays)
		b.set = math.MaxUint16
		lay, data, err := pack(b)
		if err != nil {
			t.Fatal(err)
		}
		p := page{lay, bits.PageAt(append(data, make([]byte, bits.Pad)...), 0)}
		if got := p.at(&lay.cols[0], 3); got != 0 {
			t.Errorf("%v: %#x, want 0", ft, got)
		}
	}
}

// TestPlansInShapes stores columns of every kind in every shape that takes
// them, and reads them back. A shape that is refused must be too narrow.
func TestPlansInShapes(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 8))
	var plans []columnPlan
	var nums [][pageSize]uint64
	for range 40 {
		for _, f := range numberProfiles {
			n := f(r, Long)
			var p columnPlan
			p.setNumbers(Long, &n, math.MaxUint16)
			nums, plans = append(nums, n), append(plans, p)
		}
	}
	fits, refused := 0, 0
	for i, p := range plans {
		for k := range plans {
			q := p
			var ok bool
			q.base, q.slope, ok = p.in(&plans[k].shape)
			q.shape = plans[k].shape
			if !ok {
				if refused++; plans[k].shape == p.kind.widest() {
					t.Fatalf("%+v does not fit into the widest shape", p)
				}
				continue
			}
			fits++
			l := newLayout([]shape{q.shape})
			data := make([]byte, l.heap+16)
			q.writeHead(data, &l.cols[0])
			packNumbers(data[l.cols[0].Bit/8:], &l.cols[0], &q, &nums[i], math.MaxUint16)
			for slot, want := range nums[i] {
				if got := (page{l, bits.PageAt(data, 0)}).at(&l.cols[0], slot); got != want {
					t.Fatalf("slot %d: %#x, want %#x; %+v as %+v", slot, got, want, p, q)
				}
			}
		}
	}
	if fits < 1000 || refused < 1000 {
		t.Errorf("%d columns fit into the shapes of others, %d do not", fits, refused)
	}
}

// TestCheapColumns holds what columns cost that a page is good at, in bytes of
// head and bits a number.
func TestCheapColumns(t *testing.T) {
	column := func(f func(i int) int64) [pageSize]uint64 {
		var out [pageSize]uint64
		for i := range out {
			out[i] = LongValue(f(i)).Bits()
		}
		return out
	}
	for _, tc := range []struct {
		name                     string
		nums                     [pageSize]uint64
		set                      uint16
		width, base, slope, unit int
	}{
		{"null", [pageSize]uint64{}, math.MaxUint16, 0, 0, 0, 1},
		{"one value", column(func(int) int64 { return 1000 }), math.MaxUint16, 0, 2, 0, 1},
		{"one value and holes", column(func(i int) int64 { return 1000 + int64(i%2)<<40 }), 0x5555, 0, 2, 0, 1},
		{"a key that runs", column(func(i int) int64 { return 500_000_000 + 3*int64(i) }), math.MaxUint16, 0, 4, 1, 1},
		{"near a line", column(func(i int) int64 { return 1<<40 + 1000*int64(i) + int64(i%3) }), math.MaxUint16, 3, 6, 2, 1},
		{"even numbers of a byte", column(func(i int) int64 { return int64(i*i*7) % 64 }), math.MaxUint16, 6, 1, 0, 2},
		{"hours in milliseconds", column(func(i int) int64 { return 1_700_000_000_000 + int64(i*i%11)*3_600_000 }), math.MaxUint16, 4, 6, 0, 2 * 3_600_000},
		{"days in seconds", column(func(i int) int64 { return 1_700_000_000 + int64(i*i%5)*86_400 }), math.MaxUint16, 3, 4, 0, 2 * 86_400},
	} {
		var p columnPlan
		p.setNumbers(Long, &tc.nums, tc.set)
		if p.width != uint8(tc.width) || p.baseBytes != uint8(tc.base) || p.slopeBytes != uint8(tc.slope) || divisors[p.div] != uint64(tc.unit) {
			t.Errorf("%s: %d bits, %d bytes of base, %d of slope, in units of %d; want %d, %d, %d, %d",
				tc.name, p.width, p.baseBytes, p.slopeBytes, divisors[p.div], tc.width, tc.base, tc.slope, tc.unit)
		}
	}
}
