package index_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/index"
)

// The dataset of these tests: shops by the code of their region, which is a
// record of its own, and a number.
const schemaText = `
Region { string code; int size; }
Shop @PrimaryKey(region.code, number) { Region region; int number; string name; }`

type region struct {
	code string
	size int32
}

type shop struct {
	region region
	number int32
	name   string
}

func build(t testing.TB, base *state.State, tag int64, shops []shop) *state.State {
	t.Helper()
	schemas, err := state.ParseSchemas(schemaText)
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.NewBuilder(base, schemas)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range shops {
		r, err := b.AddObject("Region", []state.Value{state.StringValue(s.region.code), state.IntValue(s.region.size)})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.AddObject("Shop", []state.Value{state.ReferenceValue(r), state.IntValue(s.number), state.StringValue(s.name)}); err != nil {
			t.Fatal(err)
		}
	}
	next, err := b.Finish(state.Header{Tag: tag})
	if err != nil {
		t.Fatal(err)
	}
	return next
}

func newIndex(t testing.TB, s *state.State) *index.Unique {
	t.Helper()
	x, err := index.NewUnique(s, "Shop", nil)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

func nameOf(x *index.Unique, code string, number int32) string {
	r, ok := x.Record(state.StringValue(code), state.IntValue(number))
	if !ok {
		return ""
	}
	name, _ := r.AppendString(nil, 2)
	return string(name)
}

// TestModel compares indexes of a random history, each made from the one
// before, with a map and with indexes that are built anew. All versions stay
// alive and are looked at again at the end.
func TestModel(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 1))
	type key struct {
		code   string
		number int32
	}
	type version struct {
		s     *state.State
		names map[key]string
	}
	check := func(where string, v version) {
		compareWithRebuild(t, where, v.s, "Shop")
		x := v.s.Index("Shop").(*index.Unique)
		if x.Len() != len(v.names) {
			t.Fatalf("%s: %d records, want %d", where, x.Len(), len(v.names))
		}
		for k, want := range v.names {
			if got := nameOf(x, k.code, k.number); got != want {
				t.Fatalf("%s: %v is called %q, want %q", where, k, got, want)
			}
		}
	}
	s := build(t, nil, 1, nil)
	s = s.WithIndex("Shop", newIndex(t, s))
	now := map[key]shop{}
	var all []version
	for n := range 40 {
		size := []int{10, 300, 3000, 0}[rnd.IntN(4)]
		for k := range now {
			if rnd.IntN(10) == 0 || len(now) > size {
				delete(now, k)
			}
		}
		sizes := map[string]int32{}
		for range max(1, size/5) {
			k := key{fmt.Sprint("r", rnd.IntN(20)), rnd.Int32N(300)}
			now[k] = shop{region{code: k.code}, k.number, fmt.Sprint("shop ", rnd.IntN(1000))}
		}
		var shops []shop
		names := map[key]string{}
		for k, v := range now {
			if _, ok := sizes[k.code]; !ok {
				sizes[k.code] = rnd.Int32N(3) // regions change, too
			}
			v.region.size = sizes[k.code]
			shops = append(shops, v)
			names[k] = v.name
		}
		s = build(t, s, int64(n+2), shops)
		all = append(all, version{s, names})
		check(fmt.Sprint("version ", n), all[n])
	}
	for n, v := range all {
		check(fmt.Sprint("version ", n, " at the end"), v)
	}
}

// TestReusedReference has an ordinal of a referenced type reused for another
// record: the records that reached the first one went in the version before.
func TestReusedReference(t *testing.T) {
	versions := [][]shop{
		{{region{"a", 0}, 1, "one"}, {region{"b", 0}, 1, "two"}},
		{{region{"b", 0}, 1, "two"}},
		{{region{"b", 0}, 1, "two"}, {region{"c", 0}, 1, "three"}},
		{{region{"b", 0}, 1, "two"}, {region{"c", 0}, 1, "three"}, {region{"a", 0}, 1, "four"}},
	}
	var s *state.State
	var all []*index.Unique
	for i, shops := range versions {
		s = build(t, s, int64(i+1), shops)
		if i == 0 {
			s = s.WithIndex("Shop", newIndex(t, s))
		}
		all = append(all, s.Index("Shop").(*index.Unique))
	}
	old, reused := versionType(all[0], "Region").Record(0), versionType(all[2], "Region").Record(0)
	if a, b := old.Value(0), reused.Value(0); string(a.Data()) != "a" || string(b.Data()) != "c" {
		t.Fatalf("Region 0 is %q and then %q: the test does not reuse an ordinal", a.Data(), b.Data())
	}
	for i, want := range []string{"one two ", " two ", " two three", "four two three"} {
		got := fmt.Sprint(nameOf(all[i], "a", 1), " ", nameOf(all[i], "b", 1), " ", nameOf(all[i], "c", 1))
		if got != want {
			t.Errorf("version %d: a, b and c are %q, want %q", i, got, want)
		}
	}
}

func versionType(x *index.Unique, name string) *state.Type { return x.Type().State().Type(name) }

// TestIrregularChange overwrites a referenced record in place, as no delta of
// a well-behaved producer does.
func TestIrregularChange(t *testing.T) {
	a := build(t, nil, 1, []shop{{region{"a", 0}, 1, "one"}})
	b := build(t, nil, 2, []shop{{region{"z", 0}, 1, "one"}})
	x, err := newIndex(t, a).Next(b, state.Changes{"Region": {Added: []state.Ordinal{0}}})
	if err != nil {
		t.Fatal(err)
	}
	if got := nameOf(x.(*index.Unique), "z", 1) + nameOf(x.(*index.Unique), "a", 1); got != "one" {
		t.Errorf("z and a are %q, want one and nothing", got)
	}
}

func TestDuplicates(t *testing.T) {
	var shops []shop
	for i := range 500 {
		shops = append(shops, shop{region{"r", 0}, int32(i % 2), fmt.Sprint(i)})
	}
	s := build(t, nil, 1, shops)
	s = s.WithIndex("Shop", newIndex(t, s))
	count := func(s *state.State) (n int) {
		for first, other := range s.Index("Shop").(*index.Unique).Duplicates() {
			if first != 0 && first != 1 || other == first {
				t.Errorf("pair %d and %d, want the first to be 0 or 1", first, other)
			}
			n++
		}
		return n
	}
	if got := count(s); got != 498 {
		t.Errorf("%d duplicates, want 498", got)
	}
	if o, _ := s.Index("Shop").(*index.Unique).Get(state.StringValue("r"), state.IntValue(1)); o != 1 {
		t.Errorf("found ordinal %d, want the smallest, 1", o)
	}
	next := build(t, s, 2, shops[:2])
	if got := count(next); got != 0 {
		t.Errorf("%d duplicates are left, want none", got)
	}
	compareWithRebuild(t, "few left", next, "Shop")
	if got := count(s); got != 498 {
		t.Errorf("the old version has %d duplicates, want 498", got)
	}
}

func TestKeysThatDoNotFit(t *testing.T) {
	s := build(t, nil, 1, []shop{{region{"a", 0}, 1, "one"}})
	x := newIndex(t, s)
	for _, key := range [][]state.Value{
		{state.StringValue("a")},
		{state.StringValue("a"), state.LongValue(1)},
		{state.IntValue(1), state.StringValue("a")},
		{state.StringValue("a"), state.IntValue(1), state.Null()},
	} {
		if err := x.Check(key...); !errors.Is(err, index.ErrKey) {
			t.Errorf("Check(%v) = %v, want ErrKey", key, err)
		}
		if o, ok := x.Get(key...); ok || o != state.NoOrdinal {
			t.Errorf("Get(%v) = %d, %v, want nothing", key, o, ok)
		}
	}
	for typeName, want := range map[string]error{"Region": index.ErrKey, "Nothing": state.ErrNotBindable} {
		if _, err := index.NewUnique(s, typeName, nil); !errors.Is(err, want) {
			t.Errorf("NewUnique(%s): %v, want %v", typeName, err, want)
		}
	}
	for _, path := range []string{"region", "nothing", "region.nothing", "region.name.more", ""} { // region is of two fields
		if _, err := index.NewUnique(s, "Shop", []string{path}); !errors.Is(err, index.ErrKey) {
			t.Errorf("NewUnique(%q): %v, want ErrKey", path, err)
		}
	}
}

// TestValuesAreExact holds what keys compare as: null parts never match, and
// the two zeros are two keys.
func TestValuesAreExact(t *testing.T) {
	schemas, err := state.ParseSchemas("T @PrimaryKey(d, s) { double d; string s; }")
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	keys := [][]state.Value{
		{state.DoubleValue(0), state.StringValue("x")},
		{state.DoubleValue(math.Copysign(0, -1)), state.StringValue("x")},
		{state.Null(), state.StringValue("x")},
		{state.DoubleValue(0), state.StringValue("")},
		{state.DoubleValue(0), state.Null()},
	}
	for _, key := range keys {
		if _, err := b.AddObject("T", key); err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.Finish(state.Header{})
	if err != nil {
		t.Fatal(err)
	}
	x, err := index.NewUnique(s, "T", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, key := range keys {
		got, _ := x.Get(key...)
		want := state.Ordinal(i)
		if key[0].IsNull() || key[1].IsNull() {
			want = state.NoOrdinal
		}
		if got != want {
			t.Errorf("Get of key %d = %d, want %d", i, got, want)
		}
		if got, _ := x.Find(key); got != state.Ordinal(i) {
			t.Errorf("Find of key %d = %d", i, got)
		}
	}
}

func TestGetDoesNotAllocate(t *testing.T) {
	var shops []shop
	for i := range 1000 {
		shops = append(shops, shop{region{fmt.Sprint("r", i%7), 0}, int32(i), "x"})
	}
	x := newIndex(t, build(t, nil, 1, shops))
	code, number := state.StringValue("r3"), int32(0)
	if n := testing.AllocsPerRun(100, func() {
		number = (number + 1) % 1000
		x.Record(code, state.IntValue(number))
	}); n != 0 {
		t.Errorf("a look-up allocates %v times, want 0", n)
	}
}

func BenchmarkGet(b *testing.B) {
	x := newIndex(b, manyShops(b, 100000))
	code := state.StringValue("r3")
	i := int32(0)
	for b.Loop() {
		i++
		x.Get(code, state.IntValue((i*7+3)%100000))
	}
}

func BenchmarkNew(b *testing.B) {
	s := manyShops(b, 100000)
	b.ReportAllocs()
	for b.Loop() {
		newIndex(b, s)
	}
}

// BenchmarkNext follows a change of one record in a thousand.
func BenchmarkNext(b *testing.B) {
	s := manyShops(b, 100000)
	var c state.Change
	for o := state.Ordinal(0); o < 100000; o += 1000 {
		c.Removed = append(c.Removed, o)
	}
	x := newIndex(b, s)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := x.Next(s, state.Changes{"Shop": c}); err != nil {
			b.Fatal(err)
		}
	}
}

func manyShops(b *testing.B, n int32) *state.State {
	b.Helper()
	var shops []shop
	for i := range n {
		shops = append(shops, shop{region{fmt.Sprint("r", i%7), 0}, i, "x"})
	}
	return build(b, nil, 1, shops)
}

// TestManyChanges follows changes that are sorted digit by digit and hashed by
// several goroutines, of few removed records and of many.
func TestManyChanges(t *testing.T) {
	stock := func(from, to, step int32) []shop {
		var shops []shop
		for i := from; i < to; i += step {
			shops = append(shops, shop{region{fmt.Sprint("r", i%7), 0}, i, fmt.Sprint("shop ", i, " of ", step)})
		}
		return shops
	}
	old := stock(0, 20000, 1)
	before := build(t, nil, 1, old)
	for name, next := range map[string][]shop{
		"more":  append(stock(0, 20000, 1), stock(20000, 32000, 1)...),
		"fewer": stock(0, 20000, 3),
		"other": append(stock(0, 20000, 2), stock(30000, 45000, 1)...),
	} {
		after := build(t, before, 2, next)
		n, err := newIndex(t, before).Next(after, state.ChangesBetween(before, after))
		if err != nil {
			t.Fatal(err)
		}
		x := n.(*index.Unique)
		if x.Len() != len(next) {
			t.Errorf("%s: %d records, want %d", name, x.Len(), len(next))
		}
		want := map[int32]string{}
		for _, s := range next {
			want[s.number] = s.name
		}
		for i := range int32(45000) {
			if got := nameOf(x, fmt.Sprint("r", i%7), i); got != want[i] {
				t.Fatalf("%s: shop %d is %q, want %q", name, i, got, want[i])
			}
		}
	}
}

// TestWithoutIndexes takes the index off a state, which keeps it.
func TestWithoutIndexes(t *testing.T) {
	schemas, err := state.ParseSchemas("T @PrimaryKey(id) { int id; }")
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.Finish(state.Header{})
	if err != nil {
		t.Fatal(err)
	}
	x, err := index.NewUnique(s, "T", nil)
	if err != nil {
		t.Fatal(err)
	}
	s = s.WithIndex("key", x)
	if bare := s.WithoutIndexes(); bare.Index("key") != nil || bare.Type("T") != s.Type("T") || s.Index("key") != x {
		t.Error("a state without its index is another one, or has it")
	}
}
