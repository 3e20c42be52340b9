package diff_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/diff"
)

// nested makes a state of one record with a tree of that depth, of which each node has
// the one below it as both of its children: there is one node a level. With twins it has
// them in two fields, else in a list.
func nested(t *testing.T, depth int, leaf int32, twins bool) *state.State {
	t.Helper()
	schemas, err := state.ParseSchemas("R @PrimaryKey(id) { int id; N n; } N { C c; N left; N right; int v; } C List<N>;")
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	node := func(c, left state.Value, v int32) state.Ordinal {
		o, err := b.AddObject("N", []state.Value{c, left, left, state.IntValue(v)})
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	o := node(state.Null(), state.Null(), leaf)
	for i := range depth {
		if twins {
			o = node(state.Null(), state.ReferenceValue(o), int32(i))
			continue
		}
		c, err := b.AddList("C", []state.Ordinal{o, o})
		if err != nil {
			t.Fatal(err)
		}
		o = node(state.ReferenceValue(c), state.Null(), int32(i))
	}
	if _, err := b.AddObject("R", []state.Value{state.IntValue(1), state.ReferenceValue(o)}); err != nil {
		t.Fatal(err)
	}
	s, err := b.Finish(state.Header{Origin: -1, Tag: int64(leaf)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSharedManyTimes compares records with exponentially many ways to what differs.
func TestSharedManyTimes(t *testing.T) {
	const depth = 28
	a, b := nested(t, depth, 1, false), nested(t, depth, 2, false)
	r, err := diff.States(t.Context(), a, b, diff.Options{})
	if err != nil {
		t.Fatal(err)
	}
	path := "n" + strings.Repeat(".c[]", depth) + ".v"
	if want := map[string]int{path: 1}; r.Changed != 1 || !maps.Equal(r.Fields, want) {
		t.Errorf("%d changed at %v, want 1 at %v", r.Changed, r.Fields, want)
	}
	if r, err := diff.States(t.Context(), a, b, diff.Options{Ignore: []string{"n.c"}}); err != nil || !r.Same() {
		t.Errorf("without what differs: %+v, %v", r, err)
	}

	a, b = nested(t, 4, 1, true), nested(t, 4, 2, true)
	if r, err := diff.States(t.Context(), a, b, diff.Options{}); err != nil || len(r.Fields) != 1<<4 {
		t.Errorf("differs at %d paths, want %d: %v", len(r.Fields), 1<<4, err)
	}
	a, b = nested(t, depth, 1, true), nested(t, depth, 2, true)
	r, err = diff.States(t.Context(), a, b, diff.Options{})
	if err != nil || r.Changed != 1 || r.Fields[diff.Further] != 1 || len(r.Fields) < 10_000 || len(r.Fields) > 1<<16+1 {
		t.Errorf("differs at 2^%d paths: %d changed at %d paths, and %d further, %v", depth, r.Changed, len(r.Fields), r.Fields[diff.Further], err)
	}
	for _, o := range []diff.Options{{Values: []string{"id"}}, {Groups: []string{"id"}}} { // whose difference may be behind
		if _, err := diff.States(t.Context(), a, b, o); !errors.Is(err, diff.ErrTooMany) || !strings.Contains(err.Error(), "record [1] ") {
			t.Errorf("differs at 2^%d paths, with %+v: %v", depth, o, err)
		}
	}
	if r, err := diff.States(t.Context(), a, b, diff.Options{Ignore: []string{"n.left"}}); err != nil || r.Changed != 1 {
		t.Errorf("without half of what differs: %+v, %v", r, err)
	}
	if r, err := diff.States(t.Context(), a, b, diff.Options{Ignore: []string{"n.left", "n.right"}}); err != nil || !r.Same() {
		t.Errorf("without what differs: %+v, %v", r, err)
	}
}

// chains makes a state of records each of which has a chain of its own of two children, with a leaf at its end.
func chains(t *testing.T, n, depth int, children string, leaf int32) *state.State {
	t.Helper()
	schemas, err := state.ParseSchemas("R @PrimaryKey(id) { int id; N n; } N { " + children + " int v; }")
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	for id := range n {
		values := []state.Value{state.Null(), state.Null(), state.IntValue(leaf)}
		for level := range depth {
			o, err := b.AddObject("N", values)
			if err != nil {
				t.Fatal(err)
			}
			values = []state.Value{state.Null(), state.Null(), state.Null()}
			values[(id*2654435761)>>level&1] = state.ReferenceValue(o)
		}
		o, err := b.AddObject("N", values)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.AddObject("R", []state.Value{state.IntValue(int32(id)), state.ReferenceValue(o)}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := b.Finish(state.Header{Origin: -1, Tag: int64(leaf)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestManyPaths compares records each of which differs at a path of its own: the
// memory of a result is bounded, its counts of records are exact.
func TestManyPaths(t *testing.T) {
	const most = 4 << 20 // bytes
	for _, c := range []struct {
		records, depth int
		children       string
	}{{300, 30, "N left; N right;"}, {30_000, 30, "N left; N right;"}, {1<<16 + 1000, 18, "N l; N r;"}} {
		r, err := diff.States(t.Context(), chains(t, c.records, c.depth, c.children, 1), chains(t, c.records, c.depth, c.children, 2), diff.Options{})
		if err != nil || r.Changed != c.records {
			t.Fatalf("%+v, %v", r, err)
		}
		bytes, told := 0, 0
		for path, n := range r.Fields {
			if path != diff.Further {
				bytes, told = bytes+len(path), told+n
			}
		}
		if told+r.Fields[diff.Further] != c.records || bytes > most || len(r.Fields) > 1<<16+1 {
			t.Errorf("%d records: %d paths of %d bytes are of %d, and further ones of %d", c.records, len(r.Fields), bytes, told, r.Fields[diff.Further])
		}
		if all := c.records == 300; all != (r.Fields[diff.Further] == 0) {
			t.Errorf("%d records: %d have further paths", c.records, r.Fields[diff.Further])
		}
	}
}

// TestEndsWithinARecord ends a comparison whose context is done while one record is
// under way, which would take long.
func TestEndsWithinARecord(t *testing.T) {
	a, b := nested(t, 28, 1, true), nested(t, 28, 2, true)
	if _, err := diff.States(&doneSoon{Context: t.Context()}, a, b, diff.Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("it ends with %v", err)
	}
}

// doneSoon is a context that is done when it has been asked once.
type doneSoon struct {
	context.Context
	asked int
}

func (c *doneSoon) Err() error {
	if c.asked++; c.asked > 1 {
		return context.Canceled
	}
	return nil
}

// TestNamesOfTypes compares records that say the same, in a field whose type has another
// name: they differ in that field, also if another field is ignored.
func TestNamesOfTypes(t *testing.T) {
	make := func(name, fields string, values ...state.Value) *state.State {
		schemas, err := state.ParseSchemas("R @PrimaryKey(id) { int id; " + name + " x; int y; }\n" + name + " { " + fields + " }")
		if err != nil {
			t.Fatal(err)
		}
		b, err := state.NewBuilder(nil, schemas)
		if err != nil {
			t.Fatal(err)
		}
		c, err := b.AddObject(name, values)
		if err == nil {
			_, err = b.AddObject("R", []state.Value{state.IntValue(1), state.ReferenceValue(c), state.Null()})
		}
		if err != nil {
			t.Fatal(err)
		}
		s, err := b.Finish(state.Header{Origin: -1, Tag: 1})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	same := state.StringValue("same")
	for _, fields := range []struct {
		text   string
		values []state.Value
	}{{"string value;", []state.Value{same}}, {"string value; int more;", []state.Value{same, state.Null()}}} {
		a, b := make("A", fields.text, fields.values...), make("B", fields.text, fields.values...)
		for _, o := range []diff.Options{{}, {Ignore: []string{"y"}}} {
			r, err := diff.States(t.Context(), a, b, o)
			if err != nil {
				t.Fatal(err)
			}
			if r.Changed != 1 || r.Unchanged != 0 || !maps.Equal(r.Fields, map[string]int{"x": 1}) {
				t.Errorf("%s, %v ignored: %d changed, %d unchanged, fields %v; want 1, 0 and x", fields.text, o.Ignore, r.Changed, r.Unchanged, r.Fields)
			}
		}
	}
}
