package bits_test

import (
	"bytes"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
)

func TestView(t *testing.T) {
	for _, b := range [][]byte{nil, {}, []byte("a"), []byte("bytes of some length\xff\x00")} {
		s := bits.View(b)
		if s != string(b) {
			t.Errorf("%q is viewed as %q", b, s)
		}
		if got := bits.Viewed(s); !bytes.Equal(got, b) || len(b) > 0 && &got[0] != &b[0] {
			t.Errorf("%q comes back as %q", b, got)
		}
	}
}
