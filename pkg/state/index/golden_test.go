package index_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/index"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// lookup is a line of a golden case's look-ups.
type lookup struct {
	Version dataset.Version `json:"version"`
	Type    string          `json:"type"`
	Op      string          `json:"op"`
	Ordinal state.Ordinal   `json:"ordinal"`
	Key     []keyPart       `json:"key"`
	Result  any             `json:"result"`

	// of MAPs and of look-ups by ordinal
	Element     state.Ordinal `json:"element"`
	KeyOrdinal  state.Ordinal `json:"keyOrdinal"`
	ResultKey   state.Ordinal `json:"resultKey"`
	ResultValue state.Ordinal `json:"resultValue"`
}

type keyPart struct {
	T    string `json:"t"`
	V    any    `json:"v"`
	Bits string `json:"bits"`
}

func (p keyPart) value(t *testing.T) state.Value {
	t.Helper()
	number := func(text string, base, size int) uint64 {
		if base == 16 {
			n, err := strconv.ParseUint(text, base, size)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		n, err := strconv.ParseInt(text, base, size)
		if err != nil {
			t.Fatal(err)
		}
		return uint64(n)
	}
	switch p.T {
	case "INT":
		return state.IntValue(int32(number(fmt.Sprint(p.V), 10, 32)))
	case "REFERENCE":
		return state.ReferenceValue(state.Ordinal(number(fmt.Sprint(p.V), 10, 32)))
	case "LONG":
		return state.LongValue(int64(number(fmt.Sprint(p.V), 10, 64)))
	case "BOOLEAN":
		return state.BoolValue(p.V.(bool))
	case "FLOAT":
		return state.FloatValue(math.Float32frombits(uint32(number(p.Bits, 16, 32))))
	case "DOUBLE":
		return state.DoubleValue(math.Float64frombits(number(p.Bits, 16, 64)))
	case "STRING":
		return state.StringValue(p.V.(string))
	case "BYTES":
		b, err := base64.StdEncoding.DecodeString(p.V.(string))
		if err != nil {
			t.Fatal(err)
		}
		return state.BytesValue(b)
	}
	t.Fatalf("key part of type %q", p.T)
	return state.Value{}
}

// load reads the snapshot of a version with all parts of its case.
func load(t *testing.T, c golden.Case, v dataset.Version) *state.State {
	t.Helper()
	name := "snapshot-" + v.String()
	var parts []state.Part
	seen := map[string]bool{}
	for _, check := range c.Index.Checks {
		for _, p := range check.Parts {
			if !seen[p] {
				seen[p] = true
				parts = append(parts, state.Part{Name: p, Data: c.File(golden.PartFile(name, p))})
			}
		}
	}
	s, err := state.ReadSnapshot(c.File(name), state.ReadOptions{Parts: parts})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// asker answers the look-ups of one case.
type asker struct {
	t       *testing.T
	c       golden.Case
	states  map[dataset.Version]*state.State
	indexes map[string]*index.Unique
}

// answer returns the answer to a look-up and the one that the real library
// gave, as text.
func (a asker) answer(l lookup) (got, want string) {
	a.t.Helper()
	if a.states[l.Version] == nil {
		a.states[l.Version] = load(a.t, a.c, l.Version)
	}
	s := a.states[l.Version]
	var key []state.Value
	for _, p := range l.Key {
		key = append(key, p.value(a.t))
	}
	want = fmt.Sprint(l.Result)
	switch l.Op {
	case "primaryKey":
		o, _ := a.unique(s, l).Get(key...)
		return fmt.Sprint(o), want
	case "setContains":
		_, ok := s.Type(l.Type).Record(l.Ordinal).Find(l.Element)
		return fmt.Sprint(ok), want
	case "mapGet":
		r := s.Type(l.Type).Record(l.Ordinal)
		if i, ok := r.Find(l.KeyOrdinal); ok {
			_, v := r.Entry(i)
			return fmt.Sprint(v), want
		}
		return "-1", want
	case "setFindElement", "mapFindEntry":
		return a.byHashKey(s, l, key)
	}
	a.t.Fatalf("operation %q", l.Op)
	return "", ""
}

func (a asker) byHashKey(s *state.State, l lookup, key []state.Value) (got, want string) {
	a.t.Helper()
	x, err := index.NewElements(s, l.Type)
	if err != nil {
		a.t.Fatal(err)
	}
	r := s.Type(l.Type).Record(l.Ordinal)
	i, ok := x.Find(r, key...)
	k, v := state.NoOrdinal, state.NoOrdinal
	if l.Op == "setFindElement" {
		if ok {
			k = r.Element(i)
		}
		return fmt.Sprint(k), fmt.Sprint(l.Result)
	}
	if ok {
		k, v = r.Entry(i)
	}
	return fmt.Sprint(k, v), fmt.Sprint(l.ResultKey, l.ResultValue)
}

func (a asker) unique(s *state.State, l lookup) *index.Unique {
	a.t.Helper()
	id := l.Version.String() + l.Type
	if a.indexes[id] == nil {
		x, err := index.NewUnique(s, l.Type, nil)
		if err != nil {
			a.t.Fatal(err)
		}
		a.indexes[id] = x
	}
	return a.indexes[id]
}

// TestGoldenLookups asks what the real library was asked.
func TestGoldenLookups(t *testing.T) {
	asked := map[string]int{}
	for _, c := range golden.Cases(t) {
		if c.Index.Lookups == "" {
			continue
		}
		a := asker{t, c, map[dataset.Version]*state.State{}, map[string]*index.Unique{}}
		for line := range bytes.Lines(c.Expected(c.Index.Lookups)) {
			var l lookup
			dec := json.NewDecoder(bytes.NewReader(line))
			dec.UseNumber()
			if err := dec.Decode(&l); err != nil {
				t.Fatalf("%s: %v", c.Name, err)
			}
			asked[l.Op]++
			if got, want := a.answer(l); got != want {
				t.Errorf("%s: got %s, want %s, for %s", c.Name, got, want, line)
			}
		}
	}
	for _, op := range []string{"primaryKey", "setContains", "mapGet", "setFindElement", "mapFindEntry"} {
		if asked[op] < 100 {
			t.Errorf("only %d look-ups %s were found", asked[op], op)
		}
	}
}

// TestGoldenPaths carries an index of every keyed type along every golden path
// and compares it with one that is built anew.
func TestGoldenPaths(t *testing.T) {
	steps := 0
	for _, c := range golden.Cases(t) {
		for _, check := range c.Index.Checks {
			if check.Filter != "" || len(check.Load) < 2 {
				continue
			}
			steps += followPath(t, c, check)
		}
	}
	if steps < 100 {
		t.Errorf("only %d steps with an index were found", steps)
	}
}

func followPath(t *testing.T, c golden.Case, check golden.Check) (steps int) {
	t.Helper()
	parts := func(name string) (out []state.Part) {
		for _, p := range check.Parts {
			out = append(out, state.Part{Name: p, Data: c.File(golden.PartFile(name, p))})
		}
		return out
	}
	s, err := state.ReadSnapshot(c.File(check.Load[0]), state.ReadOptions{Parts: parts(check.Load[0])})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, typ := range s.Types() {
		if typ.Schema().Kind != state.Object || len(typ.Schema().Key) == 0 {
			continue
		}
		x, err := index.NewUnique(s, typ.Schema().Name, nil)
		if err != nil {
			t.Fatal(err)
		}
		s = s.WithIndex(typ.Schema().Name, x)
		names = append(names, typ.Schema().Name)
	}
	path := []*state.State{s}
	for _, file := range check.Load[1:] {
		next, err := s.Apply(c.File(file), parts(file)...)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			compareWithRebuild(t, fmt.Sprintf("%s, %s, after %s", c.Name, check.ID, file), next, name)
			steps++
		}
		s, path = next, append(path, next)
	}
	for _, name := range names { // the first version is still right
		compareWithRebuild(t, fmt.Sprintf("%s, %s, at the end", c.Name, check.ID), path[0], name)
	}
	return steps
}

// compareWithRebuild compares the index that s carries under the name of its
// type with a new one.
func compareWithRebuild(t *testing.T, where string, s *state.State, name string) {
	t.Helper()
	got := s.Index(name).(*index.Unique)
	want, err := index.NewUnique(s, name, got.Paths())
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	if got.Type() != s.Type(name) {
		t.Fatalf("%s: index of %s belongs to another state", where, name)
	}
	if got.Len() != want.Len() || got.Len() != s.Type(name).Len() {
		t.Fatalf("%s: %s: %d records in the index, %d in a new one, %d in the state", where, name, got.Len(), want.Len(), s.Type(name).Len())
	}
	step := state.Ordinal(got.Len()/2000 + 1) // not all of many
	for o := range s.Type(name).Ordinals() {
		if o%step != 0 {
			continue
		}
		key := want.KeyOf(s.Type(name).Record(o))
		g, okG := got.Find(key)
		w, okW := want.Find(key)
		if g != w || !okG || !okW {
			t.Fatalf("%s: %s ordinal %d: found %d %v, a new index finds %d %v", where, name, o, g, okG, w, okW)
		}
	}
	if g, w := duplicates(got), duplicates(want); g != w {
		t.Fatalf("%s: %s: duplicates %s, in a new index %s", where, name, g, w)
	}
}

func duplicates(x *index.Unique) string {
	pairs := map[state.Ordinal]state.Ordinal{}
	for first, other := range x.Duplicates() {
		pairs[other] = first
	}
	return fmt.Sprint(pairs)
}
