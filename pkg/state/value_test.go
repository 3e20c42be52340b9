package state_test

import (
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// TestTextValue holds a text that is shared to one that is copied.
func TestTextValue(t *testing.T) {
	for _, text := range []string{"", "a", "Zoë 🎬", "\xff\xfe", "\xed\xa0\x80"} {
		b := []byte(text)
		shared, copied := state.TextValue(b), state.StringValue(text)
		if !shared.Equal(copied) || shared.Type() != state.String || shared.String() != copied.String() {
			t.Errorf("%q: %v and %v", text, shared, copied)
		}
		if len(b) > 0 && &shared.Data()[0] != &b[0] {
			t.Errorf("%q was copied", text)
		}
		if held := state.RawStringValue(b); len(text) < 2 && !shared.Equal(held) {
			t.Errorf("%q: %v is not what a state holds, %v", text, shared, held)
		}
	}
	b := []byte("R1")
	if n := testing.AllocsPerRun(100, func() { _ = state.TextValue(b) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
