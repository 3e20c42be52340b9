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
		if p.Expand(&got, uint64(at), w, &e); got != want {
			t.Fatalf("%d bits: %x, want %x", w, got, want)
		}
		for i, x := range want {
			if y := load(data[at:], uint64(i*w), w)*e.Unit + e.Base + uint64(i)*e.Slope; x != y {
				t.Fatalf("number %d of %d bits is %x, want %x", i, w, x, y)
			}
		}
	})
}

// TestExpandColumns reads the columns of some pages as they are read one by one.
func TestExpandColumns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		signed := rapid.Bool().Draw(t, "signed")
		var pages []bits.Page
		var columns []*bits.Column
		var all [][bits.ColumnLen]uint64
		for range rapid.IntRange(1, 40).Draw(t, "pages") {
			c, p := drawColumn(t)
			pages, columns = append(pages, p), append(columns, c)
			var numbers [bits.ColumnLen]uint64
			for i := range numbers {
				numbers[i] = c.Number(p.Word(c.At(uint64(i))>>3), p.Word(c.Head), uint64(i))
			}
			all = append(all, numbers)
		}
		null := rapid.SampledFrom(all).Draw(t, "page")[3]
		bits.Prefetch(pages, columns)
		dst, nulls := make([]uint64, bits.ColumnLen*len(all)+1), make([]uint16, len(all)+1)
		dst[bits.ColumnLen*len(all)], nulls[len(all)] = 42, 43
		bits.ExpandColumns(dst, nulls, pages, columns, null, signed)
		for k, numbers := range all {
			var want [bits.ColumnLen]uint64
			wantNulls := bits.ExpandColumnSlowly(&want, pages[k], columns[k], null, signed)
			if got := [bits.ColumnLen]uint64(dst[bits.ColumnLen*k:]); got != want || nulls[k] != wantNulls {
				t.Fatalf("page %d, %+v: %x, nulls %016b, want %x, nulls %016b", k, columns[k], got, nulls[k], want, wantNulls)
			}
			for i, x := range numbers {
				if nulls[k]>>i&1 != 0 != (x == null) {
					t.Fatalf("page %d: null %d is wrong", k, i)
				}
				if signed {
					x = uint64(int64((x-1)>>1) ^ -int64((x-1)&1))
				}
				if want[i] != x {
					t.Fatalf("page %d: number %d is %x, want %x", k, i, want[i], x)
				}
			}
		}
		if dst[bits.ColumnLen*len(all)] != 42 || nulls[len(all)] != 43 {
			t.Fatal("what is behind the last page is overwritten")
		}
	})
}

// drawColumn draws a column, and a page that ends behind it, with its padding.
func drawColumn(t *rapid.T) (*bits.Column, bits.Page) {
	w := rapid.OneOf(rapid.IntRange(0, 32), rapid.IntRange(0, 57), rapid.Just(64)).Draw(t, "width")
	base, slope := rapid.IntRange(0, 8).Draw(t, "base"), 0
	if base > 0 {
		slope = rapid.IntRange(0, min(8-base, 4)).Draw(t, "slope")
	}
	head := rapid.IntRange(0, 90).Draw(t, "head")
	c := &bits.Column{
		Width: uint8(w), Mask: bits.Mask(w), Head: uint64(head), Bit: uint64(head+base+slope) * 8,
		BaseBits: uint8(8 * base), SlopeBits: uint8(8 * slope), BaseMask: bits.Mask(8 * base), SlopeMask: bits.Mask(8 * slope),
		Div: rapid.OneOf(rapid.Just(uint64(1)), rapid.Uint64Range(1, 1<<32-1)).Draw(t, "unit"),
		Add: rapid.SampledFrom([]uint64{0, 0, 7, 1 << 63}).Draw(t, "add"),
	}
	n := c.Bytes() + head + bits.Pad
	return c, bits.PageAt(slices.Clip(rapid.SliceOfN(rapid.Byte(), n, n).Draw(t, "data")), 0)
}
