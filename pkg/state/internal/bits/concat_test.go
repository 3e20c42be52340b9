package bits_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
)

// TestConcat writes values of all lengths, with vectors and without.
func TestConcat(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.SampledFrom([]int{4, 9, 40, 200}).Draw(t, "longest")
		var values [bits.ColumnLen][]byte
		var want []byte
		for i := range values {
			values[i] = rapid.SliceOfN(rapid.Byte(), 0, most).Draw(t, "value")
			want = append(want, values[i]...)
		}
		for name, concat := range map[string]func([]byte, *[bits.ColumnLen][]byte) int{"Concat": bits.Concat, "slowly": bits.ConcatSlowly} {
			got := bytes.Repeat([]byte{untouched}, len(want)+40)
			if n := concat(got[:len(want)], &values); n != len(want) || !bytes.Equal(got[:n], want) {
				t.Fatalf("%s: %x, want %x", name, got[:n], want)
			}
			if rest := got[len(want):]; !bytes.Equal(rest, bytes.Repeat([]byte{untouched}, len(rest))) {
				t.Fatalf("%s: what is behind is overwritten", name)
			}
		}
	})
}
