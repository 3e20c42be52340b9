package bits_test

import (
	"syscall"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
)

// TestExpandReadsNoFurther expands columns that end, with their padding, where
// memory that may be read ends.
func TestExpandReadsNoFurther(t *testing.T) {
	memory := lastPage(t)
	size := len(memory)
	for w := range 65 {
		if w > 57 && w < 64 {
			continue // no column has such a width
		}
		p := bits.PageAt(memory, size-2*w-bits.Pad)
		e := bits.Expansion{Mask: bits.Mask(w), Unit: 1}
		var got, want [bits.ColumnLen]uint64
		p.Expand(&got, 0, w, &e) // a fault here would end the process
		p.ExpandSlowly(&want, 0, w, &e)
		if got != want {
			t.Errorf("width %d: %x, want %x", w, got, want)
		}
		c := bits.Column{Mask: bits.Mask(w), Width: uint8(w), Div: 1}
		var nulls [1]uint16
		bits.Prefetch([]bits.Page{p}, []*bits.Column{&c})
		bits.ExpandColumns(got[:], nulls[:], []bits.Page{p}, []*bits.Column{&c}, 1<<63+1, false)
		if got != want {
			t.Errorf("width %d, as one of several: %x, want %x", w, got, want)
		}
	}
}

// lastPage returns memory behind which none may be read.
func lastPage(t *testing.T) []byte {
	size := syscall.Getpagesize()
	memory, err := syscall.Mmap(-1, 0, 2*size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Munmap(memory); err != nil {
			t.Error(err)
		}
	})
	if err := syscall.Mprotect(memory[size:], syscall.PROT_NONE); err != nil {
		t.Fatal(err)
	}
	for i := range memory[:size] {
		memory[i] = byte(i * 7)
	}
	return memory[:size]
}

// TestRunsReadNoFurther reads the last numbers of words that end, with their
// padding, where memory that may be read ends.
func TestRunsReadNoFurther(t *testing.T) {
	memory := lastPage(t)
	room := memory[len(memory)-64:]
	a, rest := bits.MakeBlobWords(memory[:32]).Window(room[:0], 0, 256)
	if len(rest) != len(room) || &rest[0] != &room[0] {
		t.Fatal("the window is not where memory ends")
	}
	for w := range 33 {
		for n := 1; n < 9 && uint64(n*w) <= a.Bits(); n++ {
			s := bits.MakeSources([]bits.Source{bits.MakeSource(w, w)})
			pos := a.Bits() - uint64(n*w)
			s.Open(0, a, int(pos))
			got := make([]uint32, n+bits.RunsPad)
			s.Unpack(got, []bits.Run{{N: int32(n)}}) // a fault here would end the process
			for i, x := range got[:n] {
				if want := a.At(pos+uint64(i*w), w); uint64(x) != want {
					t.Errorf("width %d: number %d of %d is %d, want %d", w, i, n, x, want)
				}
			}
		}
		bits.Span(bits.Numbers(memory[len(memory)-4*w:]))
	}
}
