package bits_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
)

// TestPage reads numbers, words and bytes of a page that begins anywhere, as
// load and slices do. With and without -tags invariants it tests the two forms.
func TestPage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(1, 200).Draw(t, "size")
		data := rapid.SliceOfN(rapid.Byte(), size+bits.Pad, size+bits.Pad).Draw(t, "data")
		start := rapid.IntRange(0, size-1).Draw(t, "start")
		p, want := bits.PageAt(data, start), data[start:]
		w := rapid.IntRange(0, 57).Draw(t, "width")
		pos := rapid.IntRange(0, 8*(size-start)-1).Draw(t, "position")
		if rapid.Bool().Draw(t, "64 bits") {
			w, pos = 64, pos&^7
		}
		if got, x := p.Load(uint64(pos), bits.Mask(w)), load(want, uint64(pos), w); got != x {
			t.Fatalf("%d bits at %d are %#x, want %#x", w, pos, got, x)
		}
		at := pos / 8
		if got, x := p.Word(uint64(at)), load(want, uint64(8*at), 64); got != x {
			t.Fatalf("the word at %d is %#x, want %#x", at, got, x)
		}
		end := rapid.IntRange(at, len(want)).Draw(t, "end")
		if got := p.Bytes(uint64(at), uint64(end)); !bytes.Equal(got, want[at:end]) || cap(got) != end-at {
			t.Fatalf("bytes %d to %d are %x of %d, want %x", at, end, got, cap(got), want[at:end])
		}
		if got := p.Byte(uint64(at)); got != &want[at] {
			t.Fatalf("byte %d is another one", at)
		}
		if at+64 <= len(want) {
			if got := p.Line(uint64(at)); &got[0] != &want[at] {
				t.Fatalf("line %d is another one", at)
			}
		}
	})
}

// TestSegments reads pages by the number of the memory that they lie in. Of the
// first there is none: zeros.
func TestSegments(t *testing.T) {
	all := [][]byte{{1}, make([]byte, 40), nil, make([]byte, 40)}
	for i := range all[1] {
		all[1][i], all[3][i] = byte(i), byte(100+i)
	}
	s := bits.MakeSegments(all)
	if got := s.Page(0, 0).Word(3); got != 0 {
		t.Errorf("segment 0 has %#x, want 0", got)
	}
	if got := s.Page(1, 2).Word(4); got != 0x0d0c0b0a09080706 {
		t.Errorf("segment 1 has %#x", got)
	}
	if got := s.Page(3, 0).Word(0); got != 0x6b6a696867666564 {
		t.Errorf("segment 3 has %#x", got)
	}
	if got := bits.MakeSegments(nil).Page(0, 0).Word(0); got != 0 {
		t.Errorf("of no segments, 0 has %#x, want 0", got)
	}
}
