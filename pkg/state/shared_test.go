package state_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// TestUnsharedGolden holds what Unshared promises between versions of golden
// paths: what it yields is populated in one of them, and what it does not yield
// reads the same in both.
func TestUnsharedGolden(t *testing.T) {
	pairs := 0
	for _, name := range []string{"12-delta-chain", "11-resharding", "16-unpopulated-type", "23-abandoned-version"} {
		c := golden.Load(t, name)
		for _, check := range c.Index.Checks {
			path := goldenPath(t, c, check)
			last := path[len(path)-1]
			for i, a := range path {
				compareUnshared(t, c.Name+" "+check.ID, a, last)
				compareUnshared(t, c.Name+" "+check.ID, path[max(i-1, 0)], a)
				pairs += 2
			}
		}
	}
	if pairs < 50 {
		t.Errorf("only %d pairs were found", pairs)
	}
}

func compareUnshared(t *testing.T, where string, a, b *state.State) {
	t.Helper()
	for _, to := range b.Types() {
		from := a.Type(to.Schema().Name)
		if from == nil {
			continue
		}
		yielded := slices.Collect(state.Unshared(from, to))
		if !slices.IsSorted(yielded) {
			t.Fatalf("%s: %s: not ascending: %v", where, to.Schema().Name, yielded)
		}
		for o := range max(from.Max(), to.Max()) + 1 {
			_, found := slices.BinarySearch(yielded, o)
			p, q := from.Populated(o), to.Populated(o)
			switch {
			case found && !p && !q, !found && p != q:
				t.Fatalf("%s: %s ordinal %d: populated %v and %v, yielded %v", where, to.Schema().Name, o, p, q, found)
			case !found && p && !sameRecord(from.Record(o), to.Record(o)):
				t.Fatalf("%s: %s ordinal %d differs and is not yielded", where, to.Schema().Name, o)
			}
		}
	}
}

// sameRecord compares the columns of two records: references by ordinal.
func sameRecord(a, b state.Record) bool {
	s := a.Type().Schema()
	if s.Kind != state.Object {
		if a.Len() != b.Len() {
			return false
		}
		for i := range a.Len() {
			k, v := a.Element(i), state.NoOrdinal
			l, w := b.Element(i), state.NoOrdinal
			if s.Kind == state.Map {
				_, v = a.Entry(i)
				_, w = b.Entry(i)
			}
			if k != l || v != w {
				return false
			}
		}
		return true
	}
	for f := range s.Fields {
		v, w := a.Value(f), b.Value(f)
		if v.Type() != w.Type() || v.Long() != w.Long() || !bytes.Equal(v.Data(), w.Data()) { // Long has the bits of every number
			return false
		}
	}
	return true
}

// TestUnsharedIsSmall changes one record of many.
func TestUnsharedIsSmall(t *testing.T) {
	schemas, err := state.ParseSchemas("T @PrimaryKey(n) { int n; int v; }")
	if err != nil {
		t.Fatal(err)
	}
	build := func(base *state.State, v int32) *state.State {
		b, err := state.NewBuilder(base, schemas)
		if err != nil {
			t.Fatal(err)
		}
		for n := range int32(20000) {
			values := []state.Value{state.IntValue(n), state.IntValue(0)}
			if n == 7777 {
				values[1] = state.IntValue(v)
			}
			if _, err := b.AddObject("T", values); err != nil {
				t.Fatal(err)
			}
		}
		s, err := b.Finish(state.Header{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	a := build(nil, 1)
	b := build(a, 2)
	if n := len(slices.Collect(state.Unshared(a.Type("T"), b.Type("T")))); n == 0 || n > 40 {
		t.Errorf("%d ordinals are not shared, want the changed one and its neighbours", n)
	}
	if n := len(slices.Collect(state.Unshared(a.Type("T"), build(nil, 1).Type("T")))); n != 20000 {
		t.Errorf("two chains share all but %d ordinals", n)
	}
}
