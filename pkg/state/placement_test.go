package state_test

import (
	"math/rand/v2"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// TestPlacement holds that an Editor keeps a tenth of the ordinals free where
// little changes, and up to a fifth where much does, so that few pages are made.
func TestPlacement(t *testing.T) {
	schemas, err := state.ParseSchemas(`Counter @PrimaryKey(id) { long id; long n; }`)
	if err != nil {
		t.Fatal(err)
	}
	e, err := state.NewEditor(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	const records = 4000
	at := make([]state.Ordinal, records) // by id
	count, tag := int64(0), int64(0)
	version := func(ids []int) (holes float64, pages int) {
		for _, id := range ids {
			o, err := e.AddObject("Counter", []state.Value{state.LongValue(int64(id)), state.LongValue(count)})
			if err != nil {
				t.Fatal(err)
			}
			count++
			if err := e.Hold("Counter", o); err != nil {
				t.Fatal(err)
			}
			if tag > 0 {
				if err := e.Release("Counter", at[id]); err != nil {
					t.Fatal(err)
				}
			}
			at[id] = o
		}
		tag++
		s, err := e.Build(state.Header{Origin: -1, Tag: tag})
		if err != nil {
			t.Fatal(err)
		}
		seen := map[state.Ordinal]bool{}
		for _, o := range e.Changes()["Counter"].Added {
			seen[o/16] = true
		}
		e.Commit(s)
		c := s.Type("Counter")
		return 1 - float64(c.Len())/float64(c.Max()+1), len(seen)
	}
	random := rand.New(rand.NewPCG(1, 2))
	some := func(n int) []int { return random.Perm(records)[:n] }
	all := make([]int, records)
	for i := range all {
		all[i] = i
	}
	version(all)
	for _, phase := range []struct {
		name        string
		changed     int
		versions    int
		least, most float64 // of holes, in the end
		pages       int     // at most, that a version makes in the end
	}{
		{"little changes", 20, 300, 0.08, 0.12, 14},
		{"a tenth changes", 400, 30, 0.14, 0.24, 130},
		{"little changes again", 20, 300, 0.14, 0.24, 14},
	} {
		var holes float64
		var pages int
		for range phase.versions {
			holes, pages = version(some(phase.changed))
		}
		t.Logf("%s: %.3f of the ordinals are free, %d pages", phase.name, holes, pages)
		if holes < phase.least || holes > phase.most || pages > phase.pages {
			t.Errorf("%s: %.3f of the ordinals are free and a version makes %d pages", phase.name, holes, pages)
		}
	}
}
