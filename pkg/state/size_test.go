package state_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// TestSizeBeyond counts what a version does not share with the next one.
func TestSizeBeyond(t *testing.T) {
	schema := &state.Schema{Name: "T", Kind: state.Object, Fields: []state.Field{{Name: "text", Type: state.String}}}
	build := func(base *state.State, changed int) *state.State {
		b, err := state.NewBuilder(base, []*state.Schema{schema})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 5000 {
			text := fmt.Sprintf("%0100d", i)
			if i < changed {
				text = "changed " + text
			}
			if _, err := b.AddObject("T", []state.Value{state.StringValue(text)}); err != nil {
				t.Fatal(err)
			}
		}
		s, err := b.Finish(state.Header{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	one := build(nil, 0)
	two := build(one, 20)
	if whole, own := two.Size(), two.SizeBeyond(one); own == 0 || own > whole/10 {
		t.Errorf("20 of 5000 records changed: %d bytes of %d are its own", own, whole)
	}
	if n := one.SizeBeyond(one); n != 0 {
		t.Errorf("%d bytes beyond itself", n)
	}
}

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
