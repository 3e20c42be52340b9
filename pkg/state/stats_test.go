package state

import (
	"reflect"
	"testing"
)

// TestTallyByShard holds what a type has counted after it got shards against a count
// from scratch.
func TestTallyByShard(t *testing.T) {
	schemas, err := ParseSchemas("E { int i; string s; } L List<E>; S Set<E>; M Map<E,L>;")
	if err != nil {
		t.Fatal(err)
	}
	b, err := NewBuilder(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	var list []Ordinal
	for i := range 500 {
		o, err := b.AddObject("E", []Value{IntValue(int32(i)), StringValue("x")})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, o)
		l, err := b.AddList("L", list[i/2:])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.AddSet("S", list[i/3:]); err != nil {
			t.Fatal(err)
		}
		if _, err := b.AddMap("M", []Entry{{o, l}}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.Finish(Header{})
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range s.types {
		typ.shards = 4
		typ.tallyByShard()
		want := newTally(typ.schema, 4)
		for o := range typ.Ordinals() {
			want.add(typ.Record(o), 1)
		}
		if got := typ.tally(); !reflect.DeepEqual(got, want) {
			t.Errorf("type %s: %+v, want %+v", typ.schema.Name, got, want)
		}
	}
}
