package index_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/index"
)

// numbers builds a version of records of one number each, of an INT or a LONG.
func numbers(t testing.TB, base *state.State, kind string, keys []int64) *state.State {
	t.Helper()
	schemas, err := state.ParseSchemas("N @PrimaryKey(id) { " + kind + " id; string text; }")
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.NewBuilder(base, schemas)
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range keys {
		if _, err := b.AddObject("N", []state.Value{numberOf(kind, k), state.StringValue(fmt.Sprint(i % 7))}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.Finish(state.Header{Tag: int64(len(keys))})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func numberOf(kind string, k int64) state.Value {
	if kind == "int" {
		return state.IntValue(int32(k))
	}
	return state.LongValue(k)
}

// TestNumberKeys asks for keys of one number one at a time, as int64 and many
// at a time, in an index that grows and shrinks from version to version, with
// and without keys that occur twice.
func TestNumberKeys(t *testing.T) {
	for _, kind := range []string{"int", "long"} {
		for _, twice := range []bool{false, true} {
			t.Run(fmt.Sprint(kind, twice), func(t *testing.T) {
				seed := rand.Uint64()
				t.Logf("seed %d", seed)
				r := rand.New(rand.NewPCG(seed, 1))
				var s *state.State
				for range 6 {
					keys := r.Perm(1 + r.IntN(5000))
					var ids []int64
					for _, k := range keys {
						ids = append(ids, int64(k-1000)*3)
						if twice && k%100 == 0 {
							ids = append(ids, int64(k-1000)*3)
						}
					}
					next := numbers(t, s, kind, ids)
					x := nextIndex(t, s, next)
					next = next.WithIndex("N", x)
					askNumbers(t, r, x, kind, ids)
					s = next
				}
			})
		}
	}
}

// nextIndex returns the index of next: that of s, brought up to date, or a new
// one.
func nextIndex(t *testing.T, s, next *state.State) *index.Unique {
	t.Helper()
	if s == nil {
		x, err := index.NewUnique(next, "N", nil)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	x, err := s.Index("N").Next(next, state.ChangesBetween(s, next))
	if err != nil {
		t.Fatal(err)
	}
	return x.(*index.Unique)
}

// askNumbers asks for keys that are there and for keys that are not.
func askNumbers(t *testing.T, r *rand.Rand, x *index.Unique, kind string, ids []int64) {
	t.Helper()
	there := map[int64]bool{}
	for _, id := range ids {
		there[id] = true
	}
	asked := []int64{math.MaxInt64, math.MinInt64 + 1, 0, 1, 1 << 32}
	for range 2000 {
		asked = append(asked, ids[r.IntN(len(ids))]+int64(r.IntN(2)))
	}
	if kind == "int" {
		for _, id := range asked[:5] {
			if _, ok := x.Long(id); ok != there[id] {
				t.Fatalf("Long(%d) = %v, want %v", id, ok, there[id])
			}
		}
		asked = asked[5:]
	}
	var keys []state.Value
	for _, id := range asked {
		keys = append(keys, numberOf(kind, id))
	}
	found := make([]state.Record, len(keys))
	x.Records(found, keys...)
	longs := make([]state.Record, len(keys))
	x.Longs(longs, asked)
	fewer := make([]state.Record, len(keys))
	x.Longs(fewer, asked, [][]int{{1}, {0, 1}, {1, 0, 1}}[r.IntN(3)]...)
	for i, id := range asked {
		one, ok := x.Record(keys[i])
		long, okLong := x.Long(id)
		if ok != there[id] || okLong != ok || !sameRecord(one, long) || !sameRecord(one, found[i]) || !sameRecord(one, longs[i]) || !sameRecord(one, fewer[i]) {
			t.Fatalf("key %d: Record %v %v, Long %v %v, Records %v, Longs %v; there: %v",
				id, one.Ordinal(), ok, long.Ordinal(), okLong, found[i].Ordinal(), longs[i].Ordinal(), there[id])
		}
		if ok && !one.Value(0).Equal(keys[i]) {
			t.Fatalf("key %d: found the record of %v", id, one.Value(0))
		}
	}
}

// TestNoNumberIsNull asks for the one number whose form is that of a null.
func TestNoNumberIsNull(t *testing.T) {
	schemas, err := state.ParseSchemas("N @PrimaryKey(id) { long id; }")
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.AddObject("N", []state.Value{state.Null()}); err != nil {
		t.Fatal(err)
	}
	s, err := b.Finish(state.Header{Tag: 1})
	if err != nil {
		t.Fatal(err)
	}
	x, err := index.NewUnique(s, "N", nil)
	if err != nil {
		t.Fatal(err)
	}
	if r, ok := x.Long(math.MinInt64); ok {
		t.Errorf("found record %d, whose key is null", r.Ordinal())
	}
	if _, ok := x.Find([]state.Value{state.Null()}); !ok {
		t.Error("the record whose key is null is lost")
	}
}

// TestPartialNumbers asks an index of the second record for the key of the first:
// what is free in the index is zero, as the first ordinal is.
func TestPartialNumbers(t *testing.T) {
	for id := range int64(2000) {
		s := numbers(t, nil, "long", []int64{id, id + 1})
		x, err := index.NewPartial(s, "N", nil, slices.Values([]state.Ordinal{1}))
		if err != nil {
			t.Fatal(err)
		}
		if r, ok := x.Long(id); ok {
			t.Fatalf("key %d: found record %d, which is not in the index", id, r.Ordinal())
		}
		if _, ok := x.Long(id + 1); !ok {
			t.Fatalf("key %d is lost", id+1)
		}
	}
}

func sameRecord(a, b state.Record) bool {
	return a.Type() == b.Type() && a.Ordinal() == b.Ordinal()
}

// TestBatchRefuses holds that a batch with room for another number of records than it
// has keys is refused, whatever the keys are.
func TestBatchRefuses(t *testing.T) {
	for kind, ids := range map[string][]int64{"each key once": {1, 2, 3}, "one key twice": {1, 1, 2}} {
		x := nextIndex(t, nil, numbers(t, nil, "long", ids))
		for name, look := range map[string]func(){
			"Longs, too little room":   func() { x.Longs(make([]state.Record, 1), []int64{1, 2}) },
			"Longs, too much room":     func() { x.Longs(make([]state.Record, 3), []int64{1, 2}) },
			"Records, too little room": func() { x.Records(make([]state.Record, 1), state.LongValue(1), state.LongValue(2)) },
			"Records, too much room":   func() { x.Records(make([]state.Record, 2), state.LongValue(1)) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: %s was not refused", kind, name)
					}
				}()
				look()
			}()
		}
	}
}
