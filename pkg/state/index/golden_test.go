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

// lookup is a line of a golden case's look-ups, as far as it asks by key.
type lookup struct {
	Version dataset.Version `json:"version"`
	Type    string          `json:"type"`
	Op      string          `json:"op"`
	Key     []keyPart       `json:"key"`
	Result  any             `json:"result"`
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

// TestGoldenPrimaryKeys asks what the real library was asked.
func TestGoldenPrimaryKeys(t *testing.T) {
	asked := 0
	for _, c := range golden.Cases(t) {
		if c.Index.Lookups == "" {
			continue
		}
		states := map[dataset.Version]*state.State{}
		indexes := map[string]*index.Unique{}
		for line := range bytes.Lines(c.Expected(c.Index.Lookups)) {
			var l lookup
			dec := json.NewDecoder(bytes.NewReader(line))
			dec.UseNumber()
			if err := dec.Decode(&l); err != nil {
				t.Fatalf("%s: %v", c.Name, err)
			}
			if l.Op != "primaryKey" {
				continue
			}
			asked++
			if states[l.Version] == nil {
				states[l.Version] = load(t, c, l.Version)
			}
			x := indexes[l.Version.String()+l.Type]
			if x == nil {
				var err error
				if x, err = index.NewUnique(states[l.Version], l.Type, nil); err != nil {
					t.Fatalf("%s: %v", c.Name, err)
				}
				indexes[l.Version.String()+l.Type] = x
			}
			var key []state.Value
			for _, p := range l.Key {
				key = append(key, p.value(t))
			}
			if err := x.Check(key...); err != nil {
				t.Errorf("%s: %s: %v", c.Name, line, err)
			}
			if got, _ := x.Get(key...); fmt.Sprint(got) != fmt.Sprint(l.Result) {
				t.Errorf("%s: got ordinal %d for %s", c.Name, got, line)
			}
		}
	}
	if asked < 100 {
		t.Errorf("only %d look-ups were found", asked)
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
	for _, file := range check.Load[1:] {
		next, err := s.Apply(c.File(file), parts(file)...)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			compareWithRebuild(t, fmt.Sprintf("%s, %s, after %s", c.Name, check.ID, file), next, name)
			compareWithRebuild(t, fmt.Sprintf("%s, %s, before %s", c.Name, check.ID, file), s, name)
			steps++
		}
		s = next
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
	for o := range s.Type(name).Ordinals() {
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
