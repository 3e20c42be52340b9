package bits_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
)

// untouched is what a byte is that nobody may write.
const untouched = 0xa5

// TestPack packs columns of every width and compares them with store, and the
// numbers with load.
func TestPack(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for w := range 65 {
		for round := range 50 {
			var values [bits.ColumnLen]uint64
			base, slope := rnd.Uint64()>>rnd.IntN(64), rnd.Uint64N(1<<32)>>rnd.IntN(33)
			if round%2 == 0 {
				base = 0
			}
			if round%3 == 0 {
				slope = 0
			}
			want := make([]byte, 2*w+bits.Pad)
			for i := range values {
				x := rnd.Uint64() & bits.Mask(w)
				if round < 2 { // all ones
					x = bits.Mask(w)
				}
				values[i] = x + base + uint64(i)*slope // may wrap round
				store(want, uint64(i*w), w, x)
			}
			got := bytes.Repeat([]byte{untouched}, 2*w+2*bits.Pad)
			bits.Pack(got, w, &values, base, slope)
			slow := make([]byte, 2*w+bits.Pad)
			if w > 0 {
				bits.PackSlowly(slow, w, &values, base, slope)
			}
			if !bytes.Equal(got[:2*w], want[:2*w]) || !bytes.Equal(slow[:2*w], want[:2*w]) {
				t.Fatalf("width %d, base %d, slope %d: %x, slowly %x, want %x", w, base, slope, got[:2*w], slow[:2*w], want[:2*w])
			}
			for i, v := range values {
				if x := load(got, uint64(i*w), w) + base + uint64(i)*slope; x != v {
					t.Fatalf("width %d, base %d: number %d is %d, want %d", w, base, i, x, v)
				}
			}
			for i, x := range got[2*w+bits.Pad:] {
				if x != untouched {
					t.Fatalf("width %d: byte %d behind the column is overwritten", w, bits.Pad+i)
				}
			}
		}
	}
}

// TestExtent finds the least and the greatest of some numbers, near each other or not.
func TestExtent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slope := rapid.OneOf(rapid.Just(uint64(0)), rapid.Uint64Max(1<<32-1)).Draw(t, "slope")
		base := rapid.OneOf(rapid.Uint64(), rapid.Uint64Max(1<<33), rapid.SampledFrom([]uint64{1<<31 - 5, 1<<32 - 5, 1<<63 - 5, math.MaxUint64 - 4})).Draw(t, "base")
		number := rapid.OneOf(rapid.Uint64(), rapid.Map(rapid.Uint64Max(10), func(x uint64) uint64 { return base + x }))
		even := rapid.Bool().Draw(t, "even")
		signed := rapid.Bool().Draw(t, "signed")
		var values [bits.ColumnLen]uint64
		var unsigned []uint64
		var above []int64
		odd := false
		for i := range values {
			x := number.Draw(t, "number")
			if even {
				x = x&^1 | base&1
			}
			values[i] = x + uint64(i)*slope
			unsigned, above = append(unsigned, x), append(above, int64(x))
			odd = odd || (x^unsigned[0])&1 != 0
		}
		wantLeast, wantMost := slices.Min(unsigned), slices.Max(unsigned)
		if signed {
			wantLeast, wantMost = uint64(slices.Min(above)), uint64(slices.Max(above))
		}
		for name, extent := range map[string]func(*[bits.ColumnLen]uint64, uint64, bool) (uint64, uint64, bool){
			"Extent": bits.Extent, "slowly": bits.ExtentSlowly,
		} {
			if least, most, got := extent(&values, slope, signed); least != wantLeast || most != wantMost || got != odd {
				t.Fatalf("%s: %#x above %d a slot: %#x to %#x, %v, want %#x to %#x, %v", name, values, slope, least, most, got, wantLeast, wantMost, odd)
			}
		}
	})
}

// TestWriter writes numbers of all widths that it takes and compares them with
// store.
func TestWriter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type number struct {
			x uint64
			w int
		}
		numbers := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) number {
			w := rapid.IntRange(0, bits.MostWritten).Draw(t, "width")
			return number{rapid.SampledFrom([]uint64{rapid.Uint64().Draw(t, "x"), ^uint64(0)}).Draw(t, "x or ones") & bits.Mask(w), w}
		}), 0, 200).Draw(t, "numbers")
		total := 0
		for _, n := range numbers {
			total += n.w
		}
		size := (total + 7) / 8
		want := make([]byte, size+bits.Pad)
		got := bytes.Repeat([]byte{untouched}, size+2*bits.Pad)
		w := bits.MakeWriter(got[:size+bits.Pad])
		pos := uint64(0)
		for _, n := range numbers {
			store(want, pos, n.w, n.x)
			w.Write(n.x, n.w)
			pos += uint64(n.w)
		}
		if !bytes.Equal(got[:size], want[:size]) {
			t.Fatalf("wrote %x, want %x", got[:size], want[:size])
		}
		pos = 0
		for i, n := range numbers {
			if x := load(got, pos, n.w); x != n.x {
				t.Fatalf("number %d of %d bits is %d, want %d", i, n.w, x, n.x)
			}
			pos += uint64(n.w)
		}
		if tail := got[size+bits.Pad:]; !bytes.Equal(tail, bytes.Repeat([]byte{untouched}, bits.Pad)) {
			t.Fatalf("bytes behind the padding are overwritten: %x", tail)
		}
	})
}

// TestWriteEntries writes entries of one part or more, one list behind the other, as
// Write does part by part.
func TestWriteEntries(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var want, got, slow bits.Writer
		a, b, c := make([]byte, 8<<10), bytes.Repeat([]byte{untouched}, 8<<10), make([]byte, 8<<10)
		want, got, slow = bits.MakeWriter(a), bits.MakeWriter(b), bits.MakeWriter(c)
		size := 0
		for range rapid.IntRange(1, 4).Draw(t, "lists") {
			var e bits.Entry
			var lists [3][]uint32
			widest := rapid.SampledFrom([]int{2, 19, 32}).Draw(t, "widest")
			n := rapid.IntRange(0, 70).Draw(t, "entries")
			for k := range lists {
				e.Width[k] = uint64(rapid.IntRange(0, widest).Draw(t, "width"))
				if k == 0 || rapid.Bool().Draw(t, "has") {
					e.Base[k] = uint64(rapid.Uint32Max(uint32(1<<32-1-bits.Mask(int(e.Width[k])))).Draw(t, "base"))
					lists[k] = rapid.SliceOfN(rapid.Uint32Max(uint32(bits.Mask(int(e.Width[k])))), n, n).Draw(t, "list")
				}
			}
			for i := range n {
				for k := range lists {
					x := uint32(0)
					if len(lists[k]) > 0 {
						x = lists[k][i]
						lists[k][i] += uint32(e.Base[k])
					}
					want.Write(uint64(x), int(e.Width[k]))
				}
			}
			got.WriteEntries(&lists, &e)
			slow.WriteSlowly(&lists, &e)
			size += n * e.Bits()
			if n := (size + 7) / 8; !bytes.Equal(a[:n], b[:n]) || !bytes.Equal(a[:n], c[:n]) {
				t.Fatalf("entries of %v bits are %x, slowly %x, want %x", e.Width, b[:n], c[:n], a[:n])
			}
		}
		if tail := b[(size+7)/8+bits.Pad:]; !bytes.Equal(tail, bytes.Repeat([]byte{untouched}, len(tail))) {
			t.Fatal("bytes behind the padding are overwritten")
		}
	})
}

// TestWords packs numbers of all widths into words, as in a blob, and reads
// them.
func TestWords(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	var p bits.Packer
	for w := range 65 {
		const n = 100
		p.Reset(uint64(n * w))
		var want [n]uint64
		for i := range want {
			want[i] = rnd.Uint64() & bits.Mask(w)
			p.Set(uint64(i*w), w, want[i])
		}
		var data []byte
		for _, word := range p.Words() {
			for shift := 56; shift >= 0; shift -= 8 {
				data = append(data, byte(word>>shift))
			}
		}
		words := bits.MakeBlobWords(data).Turn()
		for i, x := range want {
			if got := words.At(uint64(i*w), w); got != x {
				t.Fatalf("width %d: number %d is %d, want %d", w, i, got, x)
			}
		}
	}
}

// TestGather reads numbers of some rows, or of rows that follow each other, as At does,
// with vectors and without.
func TestGather(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := bits.MakeBlobWords(rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "data"))
		a := words.Turn()
		w := rapid.IntRange(0, 64).Draw(t, "width")
		start := rapid.IntRange(0, 70).Draw(t, "start")
		step := start + w + rapid.IntRange(0, 70).Draw(t, "rest")
		var rows []uint64
		all := rapid.Bool().Draw(t, "all")
		for row := rapid.Uint64Range(0, 10).Draw(t, "from"); row < 40; row++ {
			if (row+1)*uint64(step) <= a.Bits() && (all || rapid.Bool().Draw(t, "take")) {
				rows = append(rows, row)
			}
		}
		if len(rows) > 0 {
			a, _ = words.Window(nil, rows[0]*uint64(step), (rows[len(rows)-1]+1)*uint64(step))
		}
		got, slow := make([]uint64, len(rows)), make([]uint64, len(rows))
		a.Gather(got, rows, uint64(step), uint64(start), w)
		a.GatherSlowly(slow, rows, uint64(step), uint64(start), w)
		for i, row := range rows {
			if want := words.At(row*uint64(step)+uint64(start), w); got[i] != want || slow[i] != want {
				t.Fatalf("row %d of %d bits has %d bits at %d: %#x and %#x, want %#x", row, step, w, start, got[i], slow[i], want)
			}
		}
	})
}

// TestDeal reads numbers of rows that follow each other, plus one or not, and puts them
// where they belong.
func TestDeal(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		words := bits.MakeBlobWords(rapid.SliceOfN(rapid.Byte(), 0, 400).Draw(t, "data"))
		w := rapid.IntRange(0, 64).Draw(t, "width")
		start := uint64(rapid.IntRange(0, 70).Draw(t, "start"))
		step := start + uint64(w+rapid.IntRange(1, 70).Draw(t, "rest"))
		most := words.Bits() / step
		first := rapid.Uint64Max(most).Draw(t, "first")
		n := rapid.IntRange(0, int(most-first)).Draw(t, "rows")
		each := rapid.IntRange(1, 5).Draw(t, "each")
		add := rapid.Uint64Max(1).Draw(t, "add")
		a, _ := words.Window(nil, first*step, (first+uint64(n))*step)
		const mark = 0xa5a5a5a5a5a5a5a5
		for name, deal := range map[string]func([]uint64, int, uint64, int, uint64, uint64, int, uint64){"Deal": a.Deal, "slowly": a.DealSlowly} {
			dst := make([]uint64, n*each+3)
			for i := range dst {
				dst[i] = mark
			}
			deal(dst, each, first, n, step, start, w, add)
			for i, got := range dst {
				want := uint64(mark)
				if i%each == 0 && i/each < n {
					want = (words.At((first+uint64(i/each))*step+start, w) + add) & bits.Mask(w)
				}
				if got != want {
					t.Fatalf("%s: number %d is %#x, want %#x", name, i, got, want)
				}
			}
		}
	})
}

// load and store are Page.Load and Writer bit by bit, of any width.
func load(page []byte, pos uint64, w int) (x uint64) {
	for i := range uint64(w) {
		at := pos + i
		x |= uint64(page[at/8]>>(at%8)&1) << i
	}
	return x
}

func store(page []byte, pos uint64, w int, x uint64) {
	for i := range uint64(w) {
		at := pos + i
		page[at/8] |= byte(x>>i&1) << (at % 8)
	}
}

// TestWindow reads bits where the blob has them, of the whole array and of a window of
// it, beside another window in the same room.
func TestWindow(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		blob := rapid.SliceOfN(rapid.Byte(), 0, 80).Draw(t, "blob")
		words := bits.MakeBlobWords(blob)
		all := words.Turn()
		slow := make([]byte, len(blob)&^7)
		if bits.TurnSlowly(slow, blob); !bytes.HasPrefix(all.Memory(), slow) {
			t.Fatalf("%x becomes %x, slowly %x", blob, all.Memory(), slow)
		}
		if all.Bits() != words.Bits() || all.Bits() != uint64(len(blob)/8*64) {
			t.Fatalf("%d bytes: %d and %d bits", len(blob), all.Bits(), words.Bits())
		}
		from := rapid.Uint64Range(0, words.Bits()).Draw(t, "from")
		to := rapid.Uint64Range(from, words.Bits()).Draw(t, "to")
		room := make([]byte, 0, rapid.IntRange(0, 300).Draw(t, "room"))
		before, room := words.Window(room, 0, words.Bits())
		part, _ := words.Window(room, from, to)
		for pos := range words.Bits() {
			want := binary.BigEndian.Uint64(blob[pos/64*8:]) >> (pos % 64) & 1
			if x, y, z := words.At(pos, 1), all.At(pos, 1), before.At(pos, 1); x != want || y != want || z != want {
				t.Fatalf("bit %d is %d, %d and %d", pos, x, y, z)
			}
			w := rapid.IntRange(0, int(min(64, words.Bits()-pos))).Draw(t, "width")
			if x, y := words.At(pos, w), all.At(pos, w); x != y {
				t.Fatalf("%d bits at %d are %#x and %#x", w, pos, x, y)
			}
			if pos >= from && pos+uint64(w) <= to && part.At(pos, w) != all.At(pos, w) {
				t.Fatalf("%d bits at %d are %#x in the window from %d to %d, want %#x", w, pos, part.At(pos, w), from, to, all.At(pos, w))
			}
		}
	})
}
