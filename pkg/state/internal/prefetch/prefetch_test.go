package prefetch_test

import (
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state/internal/prefetch"
)

// TestLine shows that a prefetch, of any byte of an array, changes nothing.
func TestLine(t *testing.T) {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
		prefetch.Line(&b[i])
		prefetch.Range(&b[i], -i, 2*len(b)) // also of what is behind it
		prefetch.Range(&b[i], 0, i)
	}
	for i := range b {
		if b[i] != byte(i) {
			t.Fatalf("byte %d is %d", i, b[i])
		}
	}
}

// TestLists shows that asking for a list of places ends, and changes nothing of them,
// of the list, and of what is behind both.
func TestLists(t *testing.T) {
	b := make([]byte, 1024)
	for i := range b {
		b[i] = byte(i)
	}
	var lines []*[64]byte
	var spans []prefetch.Span
	for i := range 40 {
		prefetch.Lines(lines)
		prefetch.Spans(spans)
		lines = append(lines, (*[64]byte)(b[17*i:]))
		spans = append(spans, prefetch.MakeSpan(&b[i], 7, i*11), prefetch.MakeSpan(&b[i], 0, 100_000))
	}
	for i, p := range lines {
		if p != (*[64]byte)(b[17*i:]) {
			t.Errorf("line %d is another one", i)
		}
		if spans[2*i] != prefetch.MakeSpan(&b[i], 7, i*11) || spans[2*i+1] != prefetch.MakeSpan(&b[i], 0, 100_000) {
			t.Errorf("span %d is another one", 2*i)
		}
	}
	for i := range b {
		if b[i] != byte(i) {
			t.Fatalf("byte %d is %d", i, b[i])
		}
	}
}
