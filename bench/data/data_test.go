package data_test

import (
	"slices"
	"testing"

	"github.com/holdfast-data/holdfast/bench/data"
	"github.com/holdfast-data/holdfast/bench/movies"
	"github.com/holdfast-data/holdfast/bench/neutral"
	"github.com/holdfast-data/holdfast/pkg/state"
)

func TestChainIsAPureFunction(t *testing.T) {
	for _, name := range []string{"movie-500", "flat-500"} {
		a, b := chainOf(t, name, 1), chainOf(t, name, 1)
		other := chainOf(t, name, 2)
		for cycle := range 5 {
			want := a.Next(20_000)
			if got := b.Next(20_000); !slices.EqualFunc(got, want, slices.Equal) {
				t.Errorf("%s: two chains of one seed differ in cycle %d", name, cycle)
			}
			if got := other.Next(20_000); slices.EqualFunc(got, want, slices.Equal) {
				t.Errorf("%s: chains of two seeds agree in cycle %d", name, cycle)
			}
		}
	}
}

// TestChainIsPossible plays a chain on a set of ids: what goes must be there,
// and nothing may change twice in a cycle.
func TestChainIsPossible(t *testing.T) {
	_, source, err := data.New("flat-300", 1, "")
	if err != nil {
		t.Fatal(err)
	}
	present := map[int64]bool{}
	for i := range source.Len() {
		present[source.ID(i)] = true
	}
	chain := data.NewChain(source, 1)
	for cycle := range 50 {
		touched := map[int64]bool{}
		var added, removed, changed int
		for _, frame := range chain.Next(100_000) {
			id := data.IDOf(frame[1:])
			if touched[id] {
				t.Fatalf("cycle %d touches %d twice", cycle, id)
			}
			touched[id] = true
			switch {
			case frame[0] == neutral.Delete:
				removed++
				if !present[id] {
					t.Fatalf("cycle %d removes %d, which is not there", cycle, id)
				}
				delete(present, id)
			case present[id]:
				changed++
			default:
				added++
				present[id] = true
			}
		}
		if added != 1 || removed != 1 || changed != 30 {
			t.Errorf("cycle %d: %d added, %d removed, %d changed; want 1, 1, 30", cycle, added, removed, changed)
		}
	}
	if chain.Len() != len(present) {
		t.Errorf("Len() = %d, the ids are %d", chain.Len(), len(present))
	}
}

// TestEncodedMovieIsTheMovie adds movies from their bytes and from the
// catalogue: the contents must be the same.
func TestEncodedMovieIsTheMovie(t *testing.T) {
	const n = 50
	kind, source, err := data.New("movie-50", 7, "")
	if err != nil {
		t.Fatal(err)
	}
	encoded, direct := builderOf(t), builderOf(t)
	add, c := kind.NewAdder(encoded), movies.New(n, 7)
	for i := range n {
		if _, err := add.Add(source.Append(nil, i, i%4)); err != nil {
			t.Fatal(err)
		}
		if _, err := c.Add(direct, c.Movie(i, i%4)); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := checksum(t, encoded), checksum(t, direct); got != want {
		t.Errorf("checksum of encoded movies %s, of the catalogue %s", got, want)
	}
}

func chainOf(t *testing.T, name string, seed uint64) *data.Chain {
	t.Helper()
	_, source, err := data.New(name, seed, "")
	if err != nil {
		t.Fatal(err)
	}
	return data.NewChain(source, seed)
}

func builderOf(t *testing.T) *state.Builder {
	t.Helper()
	schemas, err := state.ParseSchemas(movies.Schemas)
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func checksum(t *testing.T, b *state.Builder) string {
	t.Helper()
	s, err := b.Finish(state.Header{Tag: 1})
	if err != nil {
		t.Fatal(err)
	}
	sum, err := s.Checksum()
	if err != nil {
		t.Fatal(err)
	}
	return sum.String()
}
