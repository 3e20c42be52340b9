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
			sources, words, pieces = append(sources, bits.MakeSource(step, w)), append(words, own), append(pieces, piece{pos, int32(n)})
			for i := range n {
				want = append(want, uint32(a.At(pos+uint64(i*step), w)))
			}
		}
		r := bits.MakeRuns(sources)
		for i, a := range words {
			r.Open(i, a)
		}
		if len(words) > 0 {
			r.Add(0, 1<<60, 7)
		}
		r.Reset()
		for i, p := range pieces {
			r.Add(int32(i), p.pos, p.n)
		}
		for name, unpack := range map[string]func([]uint32){"Unpack": r.Unpack, "slowly": r.UnpackSlowly} {
			got := make([]uint32, len(want)+bits.RunsPad+1)
			got[len(want)+bits.RunsPad] = 42
			if unpack(got); !slices.Equal(got[:len(want)], want) {
				t.Fatalf("%s: %x, want %x", name, got[:len(want)], want)
			}
			if got[len(want)+bits.RunsPad] != 42 {
				t.Fatalf("%s overwrites what is behind the padding", name)
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
