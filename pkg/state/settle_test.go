package state_test

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// TestSettle settles a large state while it is read, once to the end and once with a
// context that has ended: it says the same as before.
func TestSettle(t *testing.T) {
	schemas, err := state.ParseSchemas("T @PrimaryKey(id) { int id; string text; }")
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	text := func(i int) string { return strings.Repeat(string(rune('a'+i%26)), 1<<20) }
	const records = 70
	for i := range records {
		if _, err := b.AddObject("T", []state.Value{state.IntValue(int32(i)), state.StringValue(text(i))}); err != nil {
			t.Fatal(err)
		}
	}
	built, err := b.Finish(state.Header{})
	if err != nil {
		t.Fatal(err)
	}
	var blob bytes.Buffer
	if err := (state.Transition{Next: built}).WriteSnapshot(&blob); err != nil {
		t.Fatal(err)
	}
	s, err := state.ReadSnapshot(blob.Bytes(), state.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	for _, ctx := range []context.Context{ended, t.Context()} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			s.Settle(ctx)
		}()
		for settled := false; !settled; {
			select {
			case <-done:
				settled = true
			default:
			}
			if err := state.Same(built, s); err != nil {
				t.Fatal(err)
			}
		}
	}
}
