package state_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// matchAll compares each record of a with each of b, of the same type, and holds
// that a Matcher says what their hashes say. It returns how many it did not
// know.
func matchAll(t rapid.TB, a, b *state.State) (unknown, all int) {
	m := state.NewMatcher(a, b)
	type hashed struct {
		sum dataset.Digest
		ok  bool
	}
	sums := func(s *state.State, typ *state.Type) map[state.Ordinal]hashed {
		h, out := state.NewHasher(s), map[state.Ordinal]hashed{}
		for o := range typ.Ordinals() {
			sum, err := h.Sum(typ.Record(o))
			out[o] = hashed{sum, err == nil}
		}
		return out
	}
	for _, x := range a.Types() {
		y := b.Type(x.Schema().Name)
		if y == nil {
			continue
		}
		first, second := sums(a, x), sums(b, y)
		for o, p := range first {
			for k, q := range second {
				all++
				same, known := m.Same(x.Record(o), y.Record(k))
				switch {
				case !known:
					unknown++
				case !p.ok || !q.ok: // it may have seen a difference before what has no hash
					if same {
						t.Fatalf("%s %d and %d are the same, and have no hash", x.Schema().Name, o, k)
					}
				case same != (p.sum == q.sum):
					t.Fatalf("%s %d and %d: same is %v, their hashes are %s and %s", x.Schema().Name, o, k, same, p.sum, q.sum)
				}
			}
		}
	}
	return unknown, all
}

// TestMatcher builds two states of some equal and some other records, in other
// orders, so that they have other ordinals.
func TestMatcher(t *testing.T) {
	schemas, err := state.ParseSchemas(personSchemas)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		var all []*person
		for id := range rapid.IntRange(1, 8).Draw(t, "records") {
			all = append(all, drawPerson(t, id, 2))
		}
		build := func(list []*person) *state.State {
			b, err := state.NewBuilder(nil, schemas)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range list {
				addPerson(t, b, p)
			}
			s, err := b.Finish(state.Header{})
			if err != nil {
				t.Fatal(err)
			}
			return s
		}
		other := slices.Clone(all)
		for i := range other {
			if rapid.IntRange(0, 2).Draw(t, "another") == 0 {
				other[i] = drawPerson(t, i, 2)
			}
		}
		seed := rapid.Uint64().Draw(t, "order")
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(other), func(i, j int) { other[i], other[j] = other[j], other[i] })
		if unknown, n := matchAll(t, build(all), build(other)); unknown > 0 {
			t.Fatalf("%d of %d pairs are not known", unknown, n)
		}
	})
}

// TestMatcherOnGoldenPaths compares what Java wrote, all kinds of text and null
// included.
func TestMatcherOnGoldenPaths(t *testing.T) {
	unknown, all := 0, 0
	for _, c := range golden.Cases(t) {
		for _, check := range c.Index.Checks {
			if check.Filter != "" {
				continue
			}
			path := goldenPath(t, c, check)
			for i := 1; i < len(path); i++ {
				if records(path[i])*records(path[i-1]) < 1<<16 {
					n, k := matchAll(t, path[i-1], path[i])
					unknown, all = unknown+n, all+k
				}
			}
		}
	}
	t.Logf("%d of %d pairs are not known", unknown, all)
	if all == 0 || unknown > all/10 {
		t.Errorf("%d of %d pairs are not known", unknown, all)
	}
}

func records(s *state.State) (n int) {
	for _, t := range s.Types() {
		n += t.Len()
	}
	return n
}

// TestMatcherGivesUp compares sets in sets that could be paired in very many
// ways, and a record of a state that it does not know.
func TestMatcherGivesUp(t *testing.T) {
	text := "T @PrimaryKey(id) { int id; S0 s; }\n"
	const levels = 8
	for i := range levels {
		element := fmt.Sprintf("S%d", i+1)
		if i == levels-1 {
			element = "E"
		}
		text += fmt.Sprintf("S%d Set<%s>;\n", i, element)
	}
	schemas, err := state.ParseSchemas(text + "E { int n; }")
	if err != nil {
		t.Fatal(err)
	}
	build := func(n int32) *state.State {
		b, err := state.NewBuilder(nil, schemas)
		if err != nil {
			t.Fatal(err)
		}
		var leaves []state.Ordinal
		for i := range int32(8) {
			o, err := b.AddObject("E", []state.Value{state.IntValue(i * n)})
			if err != nil {
				t.Fatal(err)
			}
			leaves = append(leaves, o)
		}
		for i := levels - 1; i >= 0; i-- { // each has all but one of the level below
			var sets []state.Ordinal
			for k := range leaves {
				o, err := b.AddSet(fmt.Sprintf("S%d", i), slices.Delete(slices.Clone(leaves), k, k+1))
				if err != nil {
					t.Fatal(err)
				}
				sets = append(sets, o)
			}
			leaves = sets
		}
		if _, err := b.AddObject("T", []state.Value{state.IntValue(1), state.ReferenceValue(leaves[0])}); err != nil {
			t.Fatal(err)
		}
		s, err := b.Finish(state.Header{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a, b := build(1), build(2)
	m := state.NewMatcher(a, b)
	if same, known := m.Same(a.Type("T").Record(0), b.Type("T").Record(0)); same || known {
		t.Errorf("too many ways: same is %v, known %v", same, known)
	}
	if same, known := state.NewMatcher(a, build(1)).Same(a.Type("T").Record(0), b.Type("T").Record(0)); same || known {
		t.Errorf("a record of a third state: same is %v, known %v", same, known)
	}
}

// TestMatcherIsNotDeeper holds that a record is too deep whatever was asked before, and
// that one that is not is known.
func TestMatcherIsNotDeeper(t *testing.T) {
	const n = state.MaxDepth + 6
	chain := func(first int32) *state.State {
		schemas, err := state.ParseSchemas("N { int v; N next; }")
		if err != nil {
			t.Fatal(err)
		}
		b, err := state.NewBuilder(nil, schemas)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.AddObject("N", []state.Value{state.IntValue(first), state.Null()}); err != nil { // so that ordinals differ
			t.Fatal(err)
		}
		next := state.Null()
		for i := range int32(n) {
			o, err := b.AddObject("N", []state.Value{state.IntValue(i), next})
			if err != nil {
				t.Fatal(err)
			}
			next = state.ReferenceValue(o)
		}
		s, err := b.Finish(state.Header{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a, b := chain(-1), chain(-2)
	for _, first := range []state.Ordinal{1, 40, state.MaxDepth, state.MaxDepth + 1, n} {
		m := state.NewMatcher(a, b)
		for _, o := range []state.Ordinal{first, 30, n, state.MaxDepth + 1, state.MaxDepth, 2} { // o is o deep
			want := o <= state.MaxDepth
			if same, known := m.Same(a.Type("N").Record(o), b.Type("N").Record(o)); same != want || known != want {
				t.Errorf("after %d, a record %d deep: same is %v, known %v, want %v", first, o, same, known, want)
			}
		}
	}
}

// modelCase is a model of T, which refers to E, with records of it.
type modelCase struct {
	text string
	e, t func(n int32, e state.Ordinal) []state.Value
}

func (c modelCase) build(t *testing.T) *state.State {
	t.Helper()
	schemas, err := state.ParseSchemas(c.text)
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	for n := range int32(6) {
		e, err := b.AddObject("E", c.e(n, 0))
		if err == nil {
			_, err = b.AddObject("T", c.t(n, e))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.Finish(state.Header{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestMatcherOfTwoModels compares states whose types have other fields, other
// types of fields, and refer to other types.
func TestMatcherOfTwoModels(t *testing.T) {
	type values = []state.Value
	num, ref, null := state.IntValue, state.ReferenceValue, state.Null()
	unless := func(is bool, v state.Value) state.Value {
		if is {
			return null
		}
		return v
	}
	one := func(n int32, _ state.Ordinal) values { return values{num(n / 2)} }
	base := modelCase{"E { int n; } T { int id; E e; int x; string gone; }", one, func(n int32, e state.Ordinal) values {
		return values{num(n / 2), unless(n == 1, ref(e)), unless(n%3 < 2, num(n)), unless(n < 4, state.StringValue("x"))}
	}}.build(t)
	for _, c := range []modelCase{
		{"E { int n; } T { E e; int id; int x; }", one, func(n int32, e state.Ordinal) values {
			return values{unless(n == 1, ref(e)), num(n / 2), null}
		}},
		{"E { int n; } T { E e; int id; long x; bytes more; }", one, func(n int32, e state.Ordinal) values {
			return values{unless(n == 1, ref(e)), num(n / 2), null, unless(n < 5, state.BytesValue([]byte{1}))}
		}},
		{"E { int n; long m; } T { E e; int id; }", func(n int32, _ state.Ordinal) values {
			return values{num(n / 2), unless(n < 4, state.LongValue(1))}
		}, func(n int32, e state.Ordinal) values { return values{unless(n == 1, ref(e)), num(n / 2)} }},
		{"F { int n; } E { int n; } T { F e; int id; }", one, func(n int32, _ state.Ordinal) values {
			return values{null, num(n / 2)}
		}},
	} {
		other := c.build(t)
		for _, pair := range [][2]*state.State{{base, other}, {other, base}} {
			if unknown, all := matchAll(t, pair[0], pair[1]); unknown > 0 {
				t.Errorf("%s: %d of %d pairs are not known", c.text, unknown, all)
			}
		}
		equal, m := 0, state.NewMatcher(base, other)
		for o := range base.Type("T").Ordinals() {
			for k := range other.Type("T").Ordinals() {
				if same, _ := m.Same(base.Type("T").Record(o), other.Type("T").Record(k)); same {
					equal++
				}
			}
		}
		if equal == 0 {
			t.Errorf("%s: no record is the same", c.text)
		}
	}
}
