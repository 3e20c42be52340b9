package bits_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
)

// TestRuns reads runs of numbers, from anywhere in several arrays, as At does,
// with vectors and without.
func TestRuns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type piece struct {
			pos uint64
			n   int32
		}
		var sources []bits.Source
		var words []bits.Words
		var steps []int
		var pieces []piece
		var want []uint32
		narrow := rapid.Bool().Draw(t, "narrow")
		for range rapid.IntRange(0, bits.ColumnLen).Draw(t, "runs") {
			blob := bits.MakeBlobWords(rapid.SliceOfN(rapid.Byte(), 0, 96).Draw(t, "data"))
			a := blob.Turn()
			w := rapid.IntRange(0, 32).Draw(t, "width")
			if narrow {
				w %= 26
			}
			step := w + rapid.SampledFrom([]int{0, 0, 1, 7, 32 - min(w, 32), 40 - min(w, 32)}).Draw(t, "rest")
			pos := rapid.Uint64Range(0, a.Bits()).Draw(t, "from")
			most := 20
			if step > 0 {
				most = min(most, int(a.Bits()-pos)/step)
			}
			n := rapid.IntRange(0, most).Draw(t, "numbers")
			own, _ := blob.Window(nil, pos, pos+uint64(n*step))
			steps = append(steps, step)
			sources, words, pieces = append(sources, bits.MakeSource(step, w)), append(words, own), append(pieces, piece{pos, int32(n)})
			for i := range n {
				want = append(want, uint32(a.At(pos+uint64(i*step), w)))
			}
		}
		all := bits.MakeSources(sources)
		var runs []bits.Run
		for i, p := range pieces {
			before := 0
			if steps[i] > 0 {
				before = rapid.IntRange(0, int(p.pos)/steps[i]).Draw(t, "numbers before")
			}
			all.Open(i, words[i], int(p.pos)-before*steps[i])
			runs = append(runs, bits.Run{First: uint64(before), Source: int32(i), N: p.n})
		}
		for name, unpack := range map[string]func([]uint32, []bits.Run){"Unpack": all.Unpack, "slowly": all.UnpackSlowly} {
			got := make([]uint32, len(want)+bits.RunsPad+1)
			got[len(want)+bits.RunsPad] = 42
			if unpack(got, runs); !slices.Equal(got[:len(want)], want) {
				t.Fatalf("%s: %x, want %x", name, got[:len(want)], want)
			}
			if got[len(want)+bits.RunsPad] != 42 {
				t.Fatalf("%s overwrites what is behind the padding", name)
			}
		}
	})
}

// TestCompactTable takes the empty buckets out of hash tables that follow each other, as
// is done entry by entry, with vectors and without.
func TestCompactTable(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const empty, mark = 7, 1<<32 - 1
		sizes := rapid.SliceOfN(rapid.SampledFrom([]int{0, 1, 2, 4, 8, 16, 17, 31}), 1, 6).Draw(t, "sizes")
		values := rapid.Bool().Draw(t, "values")
		n := bits.RunsPad
		for _, size := range sizes {
			n += size
		}
		list := func(most uint32) []uint32 {
			return rapid.SliceOfN(rapid.Uint32Max(most), n, n).Draw(t, "list")
		}
		all := bits.Entries{Elements: list(empty + 1)}
		if values {
			all.Values = list(mark)
		}
		for name, compact := range map[string]func(*bits.Entries, int, *bits.Entries, int, int, uint32) int{
			"CompactTable": bits.CompactTable, "slowly": bits.CompactSlowly,
		} {
			room := func() []uint32 { return append(make([]uint32, n), mark) }
			got := bits.Entries{Elements: room(), Values: room(), Buckets: room()}
			var want bits.Entries
			from, to := 0, 0
			for _, size := range sizes {
				for i, x := range all.Elements[from : from+size] {
					if x != empty {
						want.Elements, want.Buckets = append(want.Elements, x), append(want.Buckets, uint32(i))
						if values {
							want.Values = append(want.Values, all.Values[from+i])
						}
					}
				}
				to += compact(&got, to, &all, from, size, empty)
				from += size
			}
			if to != len(want.Elements) || !slices.Equal(got.Elements[:to], want.Elements) || !slices.Equal(got.Buckets[:to], want.Buckets) || values && !slices.Equal(got.Values[:to], want.Values) {
				t.Fatalf("%s: %v in %v of %v, want %v in %v of %v", name, got.Elements[:to], got.Buckets[:to], got.Values[:to], want.Elements, want.Buckets, want.Values)
			}
			if got.Elements[n] != mark || got.Values[n] != mark || got.Buckets[n] != mark {
				t.Fatalf("%s: what is behind the padding is overwritten", name)
			}
		}
	})
}

// TestSpan finds the least and the greatest of some numbers.
func TestSpan(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfN(rapid.Uint32(), 0, 50).Draw(t, "numbers")
		var want [2]uint32
		if len(list) > 0 {
			want = [2]uint32{slices.Min(list), slices.Max(list)}
		}
		least, most := bits.Span(list)
		slow, great := bits.SpanSlowly(list)
		if least != want[0] || most != want[1] || slow != want[0] || great != want[1] {
			t.Fatalf("%v: %d to %d, slowly %d to %d", list, least, most, slow, great)
		}
	})
}
