package hugepage

import (
	"bytes"
	"context"
	"slices"
	"testing"
)

func TestFilled(t *testing.T) {
	const some = Bytes / 8
	r := Ranges{list: []span{
		{9 * Bytes, 9*Bytes + 6*some - 1},                      // not enough
		{5 * Bytes / 2, 3 * Bytes}, {Bytes / 2, 5 * Bytes / 2}, // half of one, and two
		{5*Bytes + some, 6*Bytes - some}, {4 * Bytes, 5 * Bytes}, // one, and enough of another
		{7 * Bytes, 7*Bytes + 3*some}, {8*Bytes - 3*some, 8 * Bytes}, // enough in two pieces
	}}
	want := []uintptr{Bytes, 2 * Bytes, 4 * Bytes, 5 * Bytes, 7 * Bytes}
	if got := r.filled(); !slices.Equal(got, want) {
		t.Errorf("filled huge pages are at %x, want %x", got, want)
	}
}

// TestCollapse lays memory in huge pages, which changes nothing of it. Whether
// the system does it is its own affair: it does not say no without a reason, and
// never does more than was asked.
func TestCollapse(t *testing.T) {
	b := make([]byte, 5*Bytes)
	for i := range b {
		b[i] = byte(i * 7)
	}
	want := bytes.Clone(b)
	var r Ranges
	r.Add(nil)
	r.Add(b[:2*Bytes])
	r.Add(b[2*Bytes:])
	ended, end := context.WithCancel(t.Context())
	end()
	if n := r.Collapse(ended); n != 0 {
		t.Errorf("%d bytes are in huge pages after the context has ended", n)
	}
	n, most := r.Collapse(t.Context()), int64(5*Bytes)
	t.Logf("%d of %d bytes are in huge pages", n, most)
	if n < 0 || n > most || n%Bytes != 0 {
		t.Errorf("%d bytes are in huge pages, of %d", n, most)
	}
	if !bytes.Equal(b, want) {
		t.Error("the memory has changed")
	}
}
