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
	}
	for i := range b {
		if b[i] != byte(i) {
			t.Fatalf("byte %d is %d", i, b[i])
		}
	}
}
