package state_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// TestSameOnGoldenPaths compares all states of a path with each other, whatever
// memory they share: they are the same exactly if their dumps are.
func TestSameOnGoldenPaths(t *testing.T) {
	same, differ := 0, 0
	for _, name := range []string{"12-delta-chain", "11-resharding", "06-nested"} {
		c := golden.Load(t, name)
		for _, check := range c.Index.Checks {
			if check.Filter != "" || len(check.Load) < 2 {
				continue
			}
			states := goldenPath(t, c, check)
			dumps := make([][]byte, len(states))
			for i, s := range states {
				dumps[i] = dumpOf(t, s)
			}
			for i, a := range states {
				for j, b := range states {
					err := state.Same(a, b)
					want := bytes.Equal(dumps[i], dumps[j])
					if want != (err == nil) || err != nil && !errors.Is(err, state.ErrDiffers) {
						t.Fatalf("%s, %s: states %d and %d: %v; their dumps are the same: %v", name, check.ID, i, j, err, want)
					}
					if want {
						same++
					} else {
						differ++
					}
				}
			}
		}
	}
	if same < 20 || differ < 20 {
		t.Errorf("%d pairs were the same, %d were not", same, differ)
	}
}

const sameSchemas = `
E { int n; }
L List<E>;
S Set<E>;
M Map<E,E>;
T { int i; long l; boolean b; float f; double d; string s; bytes y; E e; L list; S set; M map; }`

// sameContent is a state of one record of each type, but of E, of which there
// are three. Each change makes another one.
type sameContent struct {
	values  []state.Value
	list    []state.Ordinal
	set     []state.Ordinal
	entries []state.Entry
	more    bool // a fourth E
}

func newSameContent() sameContent {
	return sameContent{
		values: []state.Value{
			state.IntValue(1), state.LongValue(2), state.BoolValue(true), state.FloatValue(3), state.DoubleValue(4),
			state.StringValue("five"), state.BytesValue([]byte("six")), state.ReferenceValue(1),
		},
		list: []state.Ordinal{0, 1}, set: []state.Ordinal{0, 2}, entries: []state.Entry{{Key: 0, Value: 1}},
	}
}

func (c sameContent) build(t *testing.T) *state.State {
	t.Helper()
	schemas, err := state.ParseSchemas(sameSchemas)
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	add := func(o state.Ordinal, err error) state.Value {
		if err != nil {
			t.Fatal(err)
		}
		return state.ReferenceValue(o)
	}
	for i := range int32(3) {
		add(b.AddObject("E", []state.Value{state.IntValue(i)}))
	}
	if c.more {
		add(b.AddObject("E", []state.Value{state.IntValue(99)}))
	}
	add(b.AddObject("T", append(c.values, add(b.AddList("L", c.list)), add(b.AddSet("S", c.set)), add(b.AddMap("M", c.entries)))))
	s, err := b.Finish(state.Header{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSameSeesEverything changes one thing at a time.
func TestSameSeesEverything(t *testing.T) {
	base := newSameContent().build(t)
	if err := state.Same(base, newSameContent().build(t)); err != nil {
		t.Fatal(err)
	}
	changes := map[string]func(*sameContent){
		"list":       func(c *sameContent) { c.list = []state.Ordinal{1, 0} },
		"longer":     func(c *sameContent) { c.list = []state.Ordinal{0, 1, 1} },
		"set":        func(c *sameContent) { c.set = []state.Ordinal{0, 1} },
		"map value":  func(c *sameContent) { c.entries = []state.Entry{{Key: 0, Value: 2}} },
		"map key":    func(c *sameContent) { c.entries = []state.Entry{{Key: 1, Value: 1}} },
		"population": func(c *sameContent) { c.more = true },
	}
	others := []state.Value{
		state.IntValue(9), state.LongValue(9), state.BoolValue(false), state.FloatValue(9), state.DoubleValue(9),
		state.StringValue("fivf"), state.BytesValue([]byte("siy")), state.ReferenceValue(2),
	}
	for f, v := range others {
		changes["field "+v.Type().String()] = func(c *sameContent) { c.values[f] = v }
		changes["null "+v.Type().String()] = func(c *sameContent) { c.values[f] = state.Null() }
	}
	for name, change := range changes {
		c := newSameContent()
		change(&c)
		other := c.build(t)
		for _, pair := range [][2]*state.State{{base, other}, {other, base}} {
			if err := state.Same(pair[0], pair[1]); !errors.Is(err, state.ErrDiffers) {
				t.Errorf("%s: Same = %v, want ErrDiffers", name, err)
			}
		}
		if state.NewComparer(base, other).Same("T", 0) && name != "population" {
			t.Errorf("%s: a Comparer sees no difference", name)
		}
	}
	if x := state.NewComparer(base, newSameContent().build(t)); !x.Same("T", 0) || x.Same("T", 1) || x.Same("T", -1) || x.Same("None", 0) {
		t.Error("a Comparer of equal states is wrong about a record")
	}
}
