package bits_test

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
)

// TestExpand holds that columns are read as numbers are one by one.
func TestExpand(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := rapid.IntRange(0, 57).Draw(t, "width")
		if rapid.IntRange(0, 9).Draw(t, "64 bits") == 0 {
			w = 64
		}
		e := bits.Expansion{
			Mask: bits.Mask(w), Unit: rapid.Uint64Max(1<<32-1).Draw(t, "unit"),
			Base: rapid.Uint64().Draw(t, "base"), Slope: rapid.Uint64Max(1<<32-1).Draw(t, "slope"),
		}
		at := rapid.IntRange(0, 9).Draw(t, "place")
		data := rapid.SliceOfN(rapid.Byte(), at+2*w+bits.Pad, at+2*w+bits.Pad).Draw(t, "data")
		p := bits.PageAt(slices.Clip(data), 0)
		var want, got [bits.ColumnLen]uint64
		p.ExpandSlowly(&want, uint64(at), w, &e)
		e.Null = want[rapid.IntRange(0, bits.ColumnLen-1).Draw(t, "null")]
		nulls := p.ExpandSlowly(&want, uint64(at), w, &e)
		if n := p.Expand(&got, uint64(at), w, &e); got != want || n != nulls {
			t.Fatalf("%d bits: %x, nulls %016b, want %x, nulls %016b", w, got, n, want, nulls)
		}
		for i, x := range want {
			if y := load(data[at:], uint64(i*w), w)*e.Unit + e.Base + uint64(i)*e.Slope; x != y {
				t.Fatalf("number %d of %d bits is %x, want %x", i, w, x, y)
			}
		}
	})
}

// TestUnZigZag compares lists of any length with numbers one by one.
func TestUnZigZag(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := rapid.SliceOf(rapid.OneOf(rapid.Uint64(), rapid.Uint64Max(9))).Draw(t, "numbers")
		dst := make([]int64, len(src)+1)
		dst[len(src)] = 42
		bits.UnZigZag(dst[:len(src)], src)
		for i, x := range src {
			if want := int64((x-1)>>1) ^ -int64((x-1)&1); dst[i] != want {
				t.Fatalf("number %d of %d, %x, is %d, want %d", i, len(src), x, dst[i], want)
			}
		}
		if dst[len(src)] != 42 {
			t.Fatal("a number behind the last is overwritten")
		}
	})
}
