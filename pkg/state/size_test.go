package state_test

import (
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// TestSize counts the bytes of every record once.
func TestSize(t *testing.T) {
	schema := &state.Schema{Name: "T", Kind: state.Object, Fields: []state.Field{{Name: "text", Type: state.String}}}
	size := func(records int) int64 {
		b, err := state.NewBuilder(nil, []*state.Schema{schema})
		if err != nil {
			t.Fatal(err)
		}
		for i := range records {
			text := strings.Repeat("x", 100) + string(rune('a'+i%26)) + strings.Repeat("y", i/26)
			if _, err := b.AddObject("T", []state.Value{state.StringValue(text)}); err != nil {
				t.Fatal(err)
			}
		}
		s, err := b.Finish(state.Header{})
		if err != nil {
			t.Fatal(err)
		}
		return s.Size()
	}
	if got := size(0); got != 0 {
		t.Errorf("an empty state has %d bytes", got)
	}
	if got := size(1000); got < 100*1000 || got > 200*1000 {
		t.Errorf("1000 records of about 120 bytes have %d", got)
	}
}
