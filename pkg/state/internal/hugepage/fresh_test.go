package hugepage

import (
	"bytes"
	"testing"
)

// TestFresh lays memory that nobody has written to, which stays as it is, zeros,
// and can be written to. That the system has no huge pages is no error.
func TestFresh(t *testing.T) {
	var f Fresh
	f.Lay(nil)
	for range 5 {
		b := make([]byte, Bytes*3/4)
		f.Lay(b)
		if !bytes.Equal(b, make([]byte, len(b))) {
			t.Fatal("the memory is not zeros any more")
		}
		for i := range b {
			b[i] = byte(i * 7)
		}
		f.Lay(b[len(b):])
	}
	if f.asked == 0 {
		t.Error("nothing was asked for")
	}
	f.no = true
	n := f.asked
	f.Lay(make([]byte, 2*Bytes))
	if f.asked != n {
		t.Error("asked a system that has none")
	}
}
