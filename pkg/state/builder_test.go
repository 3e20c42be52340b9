package state_test

import (
	"bytes"
	"errors"
	"math"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// copyInto adds every record of s that keep accepts, children first, and
// returns where each went.
func copyInto(t *testing.T, b *state.Builder, s *state.State, keep func(typeName string, o state.Ordinal) bool) {
	t.Helper()
	moved := map[string]map[state.Ordinal]state.Ordinal{}
	var schemas []*state.Schema
	for _, x := range s.Schemas() {
		schemas = append(schemas, x)
	}
	for _, x := range state.DependencyOrder(schemas) {
		moved[x.Name] = map[state.Ordinal]state.Ordinal{}
		for o := range s.Type(x.Name).Ordinals() {
			if !keep(x.Name, o) {
				continue
			}
			to, err := copyRecord(b, s.Type(x.Name).Record(o), moved)
			if errors.Is(err, errChildGone) {
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			moved[x.Name][o] = to
		}
	}
}

var errChildGone = errors.New("child was not kept")

func copyRecord(b *state.Builder, r state.Record, moved map[string]map[state.Ordinal]state.Ordinal) (state.Ordinal, error) {
	x := r.Type().Schema()
	gone := false
	to := func(name string, o state.Ordinal) state.Ordinal {
		n, ok := moved[name][o]
		gone = gone || !ok
		return n
	}
	switch x.Kind {
	case state.Object:
		var values []state.Value
		for f, field := range x.Fields {
			v := r.Value(f)
			if field.Type == state.Reference && !v.IsNull() {
				v = state.ReferenceValue(to(field.Ref, v.Reference()))
			}
			values = append(values, v)
		}
		if gone {
			return state.NoOrdinal, errChildGone
		}
		return b.AddObject(x.Name, values)
	case state.Map:
		var entries []state.Entry
		for i := range r.Len() {
			k, v := r.Entry(i)
			entries = append(entries, state.Entry{Key: to(x.Element, k), Value: to(x.Value, v)})
		}
		if gone {
			return state.NoOrdinal, errChildGone
		}
		return b.AddMap(x.Name, entries)
	}
	var elements []state.Ordinal
	for i := range r.Len() {
		elements = append(elements, to(x.Element, r.Element(i)))
	}
	if gone {
		return state.NoOrdinal, errChildGone
	}
	if x.Kind == state.Set {
		return b.AddSet(x.Name, elements)
	}
	return b.AddList(x.Name, elements)
}

func everything(string, state.Ordinal) bool { return true }

// TestBuilderCopies builds the first and the last state of each golden history
// anew and on top of itself.
func TestBuilderCopies(t *testing.T) {
	for _, c := range golden.Cases(t) {
		if c.Index.Mutated || oddCases[c.Name] != "" {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			for _, v := range []golden.Version{c.Index.Versions[0], c.Index.Versions[len(c.Index.Versions)-1]} {
				data, ok := c.Files["snapshot-"+v.Version.String()]
				if !ok {
					continue
				}
				s, err := state.ReadSnapshot(data, state.ReadOptions{})
				if err != nil {
					t.Fatal(err)
				}
				testCopies(t, s)
			}
		})
	}
}

// oddCases have what a Builder refuses, or what copyInto cannot order.
var oddCases = map[string]string{
	"01-all-field-types": "has a NaN",
	"07-self-reference":  "has records that refer to later ones of their type",
	"17-optional-parts":  "lacks the types of its parts",
}

func testCopies(t *testing.T, s *state.State) {
	t.Helper()
	var schemas []*state.Schema
	for _, x := range s.Schemas() {
		schemas = append(schemas, x)
	}
	var versions []*state.State
	var base *state.State
	keeps := []func(string, state.Ordinal) bool{
		everything,
		func(_ string, o state.Ordinal) bool { return o%3 != 1 },
		everything,
		func(_ string, o state.Ordinal) bool { return o%5 != 2 },
		everything,
	}
	for i, keep := range keeps {
		b, err := state.NewBuilder(base, schemas)
		if err != nil {
			t.Fatal(err)
		}
		copyInto(t, b, s, keep)
		next, err := b.Finish(state.Header{Origin: -1, Tag: int64(i + 1)})
		if err != nil {
			t.Fatal(err)
		}
		versions = append(versions, next)
		base = next
	}
	want := contentOf(t, s)
	for i, v := range versions {
		if i%2 == 0 && contentOf(t, v) != want {
			t.Errorf("version %d has another content", i)
		}
	}
	for i := 1; i < len(versions); i++ {
		checkLaws(t, state.Transition{Prev: versions[i-1], Next: versions[i]})
	}
}

func contentOf(t *testing.T, s *state.State) string {
	t.Helper()
	sum, err := s.Checksum()
	if err != nil {
		t.Fatal(err)
	}
	return sum.String()
}

// checkLaws holds what a transition writes against its states.
func checkLaws(t *testing.T, step state.Transition) {
	t.Helper()
	var snapshot, delta, reverse bytes.Buffer
	if err := errors.Join(step.WriteSnapshot(&snapshot), step.WriteDelta(&delta), step.WriteReverseDelta(&reverse)); err != nil {
		t.Fatal(err)
	}
	next, err := step.Prev.Apply(delta.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	prev, err := step.Next.Apply(reverse.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := state.ReadSnapshot(snapshot.Bytes(), state.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]*state.State{{next, step.Next}, {prev, step.Prev}, {fresh, step.Next}} {
		if pair[0].HollowChecksum() != pair[1].HollowChecksum() || contentOf(t, pair[0]) != contentOf(t, pair[1]) {
			t.Error("a blob leads to another state than it was written from")
		}
	}
}

func TestBuilderRefuses(t *testing.T) {
	schemas, err := state.ParseSchemas("E { int i; long l; float f; double d; string s; E2 e; } E2 { int i; } M Map<E2,E2>; L List<E2>;")
	if err != nil {
		t.Fatal(err)
	}
	null := state.Null()
	for _, tc := range []struct {
		name  string
		value state.Value
		at    int
		want  error
	}{
		{"INT -2^31", state.IntValue(math.MinInt32), 0, state.ErrNotStorable},
		{"LONG -2^63", state.LongValue(math.MinInt64), 1, state.ErrNotStorable},
		{"FLOAT NaN", state.FloatValue(float32(math.NaN())), 2, state.ErrNotStorable},
		{"DOUBLE NaN", state.DoubleValue(math.NaN()), 3, state.ErrNotStorable},
		{"STRING ill-formed", state.StringValue("\xc3"), 4, state.ErrIllFormed},
		{"STRING raw mark", state.StringValue("\xff"), 4, state.ErrIllFormed},
		{"wrong type", state.IntValue(1), 1, state.ErrNotStorable},
		{"dangling", state.ReferenceValue(7), 5, state.ErrDangling},
	} {
		b, err := state.NewBuilder(nil, schemas)
		if err != nil {
			t.Fatal(err)
		}
		values := []state.Value{null, null, null, null, null, null}
		values[tc.at] = tc.value
		if _, err := b.AddObject("E", values); !errors.Is(err, tc.want) {
			t.Errorf("%s: error %v, want %v", tc.name, err, tc.want)
		}
	}
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	o, err := b.AddObject("E2", []state.Value{state.IntValue(1)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.AddMap("M", []state.Entry{{Key: o, Value: o}, {Key: o, Value: o}}); !errors.Is(err, state.ErrNotStorable) {
		t.Errorf("map with a key twice: error %v", err)
	}
	if _, err := b.AddList("L", []state.Ordinal{o, 9}); !errors.Is(err, state.ErrDangling) {
		t.Errorf("list with a dangling element: error %v", err)
	}
}
