package bits_test

import (
	"bytes"
	"encoding/binary"
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
			base := rnd.Uint64() >> rnd.IntN(64)
			if round%2 == 0 {
				base = 0
			}
			want := make([]byte, 2*w+bits.Pad)
			for i := range values {
				x := rnd.Uint64() & bits.Mask(w)
				if round < 2 { // all ones
					x = bits.Mask(w)
				}
				values[i] = x + base // may wrap round
				store(want, uint64(i*w), w, x)
			}
			got := bytes.Repeat([]byte{untouched}, 2*w+2*bits.Pad)
			bits.Pack(got, w, &values, base)
			if !bytes.Equal(got[:2*w], want[:2*w]) {
				t.Fatalf("width %d, base %d: %x, want %x", w, base, got[:2*w], want[:2*w])
			}
			for i, v := range values {
				if x := load(got, uint64(i*w), w) + base; x != v {
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

// TestWriteAll writes lists of numbers, one behind the other, as Write does one by
// one.
func TestWriteAll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size, numbers := 0, 0
		var want, got bits.Writer
		a, b := make([]byte, 4<<10), bytes.Repeat([]byte{untouched}, 4<<10)
		want, got = bits.MakeWriter(a), bits.MakeWriter(b)
		for range rapid.IntRange(1, 5).Draw(t, "lists") {
			w := rapid.IntRange(0, 32).Draw(t, "width")
			base := rapid.Uint32().Draw(t, "base")
			list := rapid.SliceOfN(rapid.Uint32Max(uint32(bits.Mask(w))), 0, 100).Draw(t, "list")
			for i, x := range list {
				want.Write(uint64(x), w)
				list[i] += base // may wrap round
			}
			got.WriteAll(list, w, base)
			size, numbers = size+w*len(list), numbers+len(list)
			if n := (size + 7) / 8; !bytes.Equal(a[:n], b[:n]) {
				t.Fatalf("%d numbers are %x, want %x", numbers, b[:n], a[:n])
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

// TestGather reads numbers of some rows as At does.
func TestGather(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := bits.MakeBlobWords(rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "data")).Turn()
		w := rapid.IntRange(0, 64).Draw(t, "width")
		start := rapid.IntRange(0, 70).Draw(t, "start")
		step := start + w + rapid.IntRange(0, 70).Draw(t, "rest")
		var rows []uint64
		for row := range uint64(40) {
			if (row+1)*uint64(step) <= a.Bits() && rapid.Bool().Draw(t, "take") {
				rows = append(rows, row)
			}
		}
		got := make([]uint64, len(rows))
		a.Gather(got, rows, uint64(step), uint64(start), w)
		for i, row := range rows {
			if want := a.At(row*uint64(step)+uint64(start), w); got[i] != want {
				t.Fatalf("row %d of %d bits has %d bits at %d: %#x, want %#x", row, step, w, start, got[i], want)
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

// TestScatter reads numbers of some rows as At does, adds to them and puts them
// where they belong.
func TestScatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := bits.MakeBlobWords(rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "data")).Turn()
		w := rapid.IntRange(0, 64).Draw(t, "width")
		start := rapid.IntRange(0, 70).Draw(t, "start")
		step := uint64(start + w + rapid.IntRange(1, 70).Draw(t, "rest"))
		rows := rapid.SliceOfN(rapid.Uint64Max(40), 0, 40).Draw(t, "rows")
		rows = slices.DeleteFunc(rows, func(row uint64) bool { return (row+1)*step > a.Bits() })
		add := rapid.Uint64Max(1).Draw(t, "add")
		places := make([]uint16, len(rows))
		for i := range places {
			places[i] = uint16(len(places) - 1 - i)
		}
		got := make([]uint64, len(rows))
		greatest := a.Scatter(got, places, rows, step, uint64(start), w, add)
		most := uint64(0)
		for i, row := range rows {
			want := (a.At(row*step+uint64(start), w) + add) & bits.Mask(w)
			if most = max(most, want); got[places[i]] != want {
				t.Fatalf("row %d: %#x, want %#x", row, got[places[i]], want)
			}
		}
		if greatest != most {
			t.Fatalf("the greatest is %d, want %d", greatest, most)
		}
	})
}

// TestTurn makes the same bit array in place as by copying.
func TestTurn(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		blob := rapid.SliceOfN(rapid.Byte(), 0, 80).Draw(t, "blob")
		want := bits.MakeBlobWords(blob).Turn()
		got := bits.OwnBlobWords(append(slices.Clone(blob), make([]byte, bits.WordsPad)...)).Turn()
		if got.Bits() != want.Bits() || got.Bits() != uint64(len(blob)/8*64) {
			t.Fatalf("%d bytes: %d and %d bits", len(blob), got.Bits(), want.Bits())
		}
		for pos := range got.Bits() {
			word := binary.BigEndian.Uint64(blob[pos/64*8:])
			if x, y := got.At(pos, 1), want.At(pos, 1); x != word>>(pos%64)&1 || x != y {
				t.Fatalf("bit %d is %d and %d", pos, x, y)
			}
		}
	})
}

// TestWriteLong writes numbers of up to 64 bits.
func TestWriteLong(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list [20]struct {
			x uint64
			w int
		}
		total := 0
		for i := range list {
			list[i].w = rapid.IntRange(0, 64).Draw(t, "width")
			list[i].x = rapid.Uint64().Draw(t, "number") & bits.Mask(list[i].w)
			total += list[i].w
		}
		got, want := make([]byte, (total+7)/8+bits.Pad), make([]byte, (total+7)/8+bits.Pad)
		w, pos := bits.MakeWriter(got), uint64(0)
		for _, n := range list {
			w.WriteLong(n.x, n.w)
			store(want, pos, n.w, n.x)
			pos += uint64(n.w)
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("wrote %x, want %x", got, want)
		}
	})
}
