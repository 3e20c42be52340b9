package state_test

import (
	"fmt"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// TestTextOfNumber reads fields that are no texts as texts: the answer says nothing,
// and is no memory of others.
func TestTextOfNumber(t *testing.T) {
	schemas, err := state.ParseSchemas("T { long l; int i; float f; double d; boolean b; string s; T r; }")
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		if _, err := b.AddObject("T", []state.Value{
			state.LongValue(int64(i) << 50), state.IntValue(int32(-i)), state.FloatValue(float32(i)), state.DoubleValue(float64(i) / 3),
			state.BoolValue(i%2 == 0), state.StringValue(fmt.Sprint("text ", i)), state.Null(),
		}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.Finish(state.Header{Tag: 1})
	if err != nil {
		t.Fatal(err)
	}
	typ := s.Type("T")
	for o := range typ.Ordinals() {
		r := typ.Record(o)
		for f, field := range typ.Schema().Fields {
			text, ok := r.StringView(f)
			copied, err := r.AppendString(nil, f)
			if field.Type == state.String {
				if want := fmt.Sprint("text ", o); string(text) != want || string(copied) != want || err != nil || !ok {
					t.Errorf("ordinal %d: %q and %q, want %q, error %v", o, text, copied, want, err)
				}
				continue
			}
			if len(text)+len(copied)+len(r.AppendBytes(nil, f)) > 0 || ok {
				t.Errorf("ordinal %d, %v field: %q and %q", o, field.Type, text, copied)
			}
		}
	}
}
