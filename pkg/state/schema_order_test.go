package state_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
	"unicode/utf16"

	"pgregory.net/rapid"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// naiveOrder is DependencyOrder as it is described: again and again the first
// type by name that refers to none that is missing.
func naiveOrder(schemas []*state.Schema) []*state.Schema {
	waiting := state.SortSchemas(schemas)
	missing := map[string]bool{}
	for _, s := range waiting {
		missing[s.Name] = true
	}
	var out []*state.Schema
	for len(waiting) > 0 {
		i := slices.IndexFunc(waiting, func(s *state.Schema) bool {
			return !slices.ContainsFunc(s.References(), func(name string) bool { return missing[name] })
		})
		if i < 0 {
			return append(out, waiting...)
		}
		out = append(out, waiting[i])
		delete(missing, waiting[i].Name)
		waiting = slices.Delete(waiting, i, i+1)
	}
	return out
}

// TestDependencyOrderTwin holds DependencyOrder against the naive one, also
// with names that occur twice, are not there, or lie on cycles.
func TestDependencyOrderTwin(t *testing.T) {
	const seed = 7
	random := rand.New(rand.NewPCG(seed, 0))
	for round := range 2000 {
		types := 1 + random.IntN(12)
		name := func() string { return string(rune('A' + random.IntN(types+2))) }
		var schemas []*state.Schema
		for range types {
			s := &state.Schema{Name: name(), Kind: state.Object}
			switch random.IntN(4) {
			case 0:
				s.Kind, s.Element = state.List, name()
			case 1:
				s.Kind, s.Element, s.Value = state.Map, name(), name()
			default:
				for i := range random.IntN(3) {
					s.Fields = append(s.Fields, state.Field{Name: fmt.Sprint("f", i), Type: state.Reference, Ref: name()})
				}
			}
			schemas = append(schemas, s)
		}
		if got, want := state.DependencyOrder(schemas), naiveOrder(schemas); !slices.Equal(got, want) {
			t.Fatalf("seed %d, round %d: order of %v is %v, want %v", seed, round, schemas, got, want)
		}
	}
}

// TestDependencyOrderLong takes chains that no list can be searched for again
// and again: each type refers to the next, and the last by name comes first.
func TestDependencyOrderLong(t *testing.T) {
	const n = 30_000
	schemas := make([]*state.Schema, n)
	for i := range schemas {
		schemas[i] = &state.Schema{Name: fmt.Sprintf("T%06d", i), Kind: state.List, Element: fmt.Sprintf("T%06d", i+1)}
	}
	start := time.Now()
	order := state.DependencyOrder(schemas)
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("%d types took %v", n, took)
	}
	for i, s := range order {
		if want := schemas[n-1-i]; s != want {
			t.Fatalf("type %d is %s, want %s", i, s.Name, want.Name)
		}
	}
}

// TestSortSchemas orders names as Java does, by UTF-16 code units: those above
// U+FFFF, which are surrogates there, come before U+E000.
func TestSortSchemas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		letter := rapid.SampledFrom([]rune{'A', 'B', 'a', '\u007f', '\u0080', '\u00e9', '\ud7ff', '\ue000', '\uffff', '\U00010000', '\U0010ffff'})
		names := rapid.SliceOfN(rapid.StringOfN(letter, 0, 3, -1), 2, 20).Draw(t, "names")
		var schemas []*state.Schema
		for _, name := range names {
			schemas = append(schemas, &state.Schema{Name: name, Kind: state.Object})
		}
		for i, s := range state.SortSchemas(schemas) {
			if i > 0 && slices.Compare(utf16.Encode([]rune(names[i-1])), utf16.Encode([]rune(s.Name))) > 0 {
				t.Fatalf("%+q comes before %+q", names[i-1], s.Name)
			}
			names[i] = s.Name
		}
	})
}
