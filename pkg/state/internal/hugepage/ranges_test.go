package hugepage

import (
	"bytes"
	"slices"
	"testing"
	"unsafe"
)

func TestWhole(t *testing.T) {
	r := Ranges{list: []span{
		{9 * Bytes, 10*Bytes - 1},                              // not one
		{5 * Bytes / 2, 3 * Bytes}, {Bytes / 2, 5 * Bytes / 2}, // together two, from the second on
		{4 * Bytes, 5 * Bytes}, {5 * Bytes, 6 * Bytes}, {4 * Bytes, 4*Bytes + 1},
	}}
	want := []span{{Bytes, 3 * Bytes}, {4 * Bytes, 6 * Bytes}}
	if got := r.whole(); !slices.Equal(got, want) {
		t.Errorf("whole huge pages are %v, want %v", got, want)
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
	n, most := r.Collapse(), int64(5*Bytes)
	if from := uintptr(unsafe.Pointer(&b[0])); from%Bytes != 0 {
		most -= Bytes
	}
	t.Logf("%d of %d bytes are in huge pages", n, most)
	if n < 0 || n > most || n%Bytes != 0 {
		t.Errorf("%d bytes are in huge pages, of %d", n, most)
	}
	if !bytes.Equal(b, want) {
		t.Error("the memory has changed")
	}
}
