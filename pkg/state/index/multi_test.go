package index_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/bench/movies"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/index"
)

func TestPathsThatLeadNowhere(t *testing.T) {
	s := buildFilms(t, nil, 1, films{1: {title: "x"}})
	for path, want := range map[string]error{
		"nothing":                 index.ErrKey,
		"studio":                  index.ErrKey, // of two fields, without a key
		"windows":                 index.ErrKey,
		"windows.element":         index.ErrKey,
		"windows.key":             index.ErrKey,
		"windows.element.country": nil,
		"roles.key":               nil,
		"roles.value":             index.ErrKey,
		"roles.element":           index.ErrKey,
		"tags.element":            nil,
		"tags.element!":           index.ErrKey, // an ordinal is no value
		"title!":                  nil,
		"title.value.more":        index.ErrKey,
		"":                        index.ErrKey,
	} {
		if _, err := index.NewMulti(s, "Film", path); !errors.Is(err, want) {
			t.Errorf("NewMulti(%s): %v, want %v", path, err, want)
		}
		if _, err := index.NewSorted(s, "Film", path); !errors.Is(err, want) {
			t.Errorf("NewSorted(%s): %v, want %v", path, err, want)
		}
	}
	if _, err := index.NewMulti(s, "Film"); !errors.Is(err, index.ErrKey) {
		t.Errorf("no path: %v, want ErrKey", err)
	}
	if _, err := index.NewMulti(s, "Nothing", "x"); !errors.Is(err, state.ErrNotBindable) || !strings.Contains(err.Error(), "the state has no type Nothing") {
		t.Errorf("no type: %v, want ErrNotBindable that says so", err)
	}
}

func TestLookUpsThatDoNotFit(t *testing.T) {
	s := withTwins(t, buildFilms(t, nil, 1, films{1: {title: "x", studio: "MGM", year: 1}}))
	x := s.Index("two parts").(*index.Multi)
	for _, key := range [][]state.Value{{}, {text("MGM")}, {text("MGM"), state.IntValue(1)}, {text("MGM"), state.LongValue(1), state.Null()}, {text("MGM"), state.LongValue(1), text("x")}} {
		if err := x.Check(key...); !errors.Is(err, index.ErrKey) {
			t.Errorf("Check(%v) = %v, want ErrKey", key, err)
		}
		if n := x.Get(key...).Len(); n != 0 {
			t.Errorf("Get(%v) has %d records, want none", key, n)
		}
		if n := x.In(key, key).Len(); n != 0 {
			t.Errorf("In(%v) has %d records, want none", key, n)
		}
	}
	byYear, byTitle := s.Index("by year").(*index.Sorted), s.Index("by title").(*index.Sorted)
	if byYear.Check(text("x")) == nil || byYear.Check(state.LongValue(1)) != nil {
		t.Error("Check does not tell a LONG from a STRING")
	}
	for name, r := range map[string]index.Range{
		"type of a bound":  byYear.Range(text("x"), state.Null()),
		"prefix of a LONG": byYear.Prefix(state.LongValue(1)),
		"null prefix":      byTitle.Prefix(state.Null()),
		"NaN":              s.Index("by score").(*index.Sorted).Range(state.FloatValue(float32(math.NaN())), state.Null()),
	} {
		if r.Len() != 0 || len(slices.Collect(r.All())) != 0 || len(slices.Collect(r.Backward())) != 0 || r.Query().Len() != 0 {
			t.Errorf("%s: not empty", name)
		}
	}
}

// TestZerosAreOneBound has both zeros in a range that begins with one, and none
// in one that ends with it.
func TestZerosAreOneBound(t *testing.T) {
	minus := float32(math.Copysign(0, -1))
	s := withTwins(t, buildFilms(t, nil, 1, films{1: {score: -1}, 2: {score: minus}, 3: {score: 0}, 4: {score: 1}}))
	x := s.Index("by score").(*index.Sorted)
	for _, zero := range []float32{0, minus} {
		v := state.FloatValue(zero)
		if from, to := x.Range(v, state.Null()).Len(), x.Range(state.Null(), v).Len(); from != 3 || to != 1 {
			t.Errorf("from %v on %d records, up to it %d; want 3 and 1", zero, from, to)
		}
	}
}

// TestIrregularChanges overwrites a referenced record in place, and claims that
// a record went that was not there: as no well-behaved producer does.
func TestIrregularChanges(t *testing.T) {
	a := withTwins(t, buildFilms(t, nil, 1, films{1: {title: "a", tags: []string{"x"}}}))
	b := buildFilms(t, nil, 2, films{1: {title: "b", tags: []string{"y"}}})
	for name, c := range map[string]state.Changes{
		"referenced record": {"String": {Added: []state.Ordinal{0, 1}}},
		"record itself":     {"Film": {Added: []state.Ordinal{0}}},
	} {
		next := b
		for twin := range twins {
			x, err := a.Index(twin).Next(b, c)
			if err != nil {
				t.Fatal(err)
			}
			next = next.WithIndex(twin, x)
		}
		if got := next.Index("tag").(*index.Multi).Get(text("y")).Len(); got != 1 {
			t.Errorf("%s: %d films with tag y, want 1", name, got)
		}
		if got := next.Index("by title").(*index.Sorted).Prefix(text("a")).Len(); got != 0 {
			t.Errorf("%s: %d films called a, want none", name, got)
		}
	}
}

// TestSchemaChange follows to a state whose types differ.
func TestSchemaChange(t *testing.T) {
	s := withTwins(t, buildFilms(t, nil, 1, films{1: {title: "a"}}))
	schemas, err := state.ParseSchemas("Film { int id; } Studio { int size; }")
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	next, err := b.Finish(state.Header{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Index("title").Next(next, nil); !errors.Is(err, index.ErrKey) {
		t.Errorf("a path that is gone: %v, want ErrKey", err)
	}
}

func TestLookUpsDoNotAllocate(t *testing.T) {
	s, _ := manyFilms(t, 3000)
	country, tag, title := s.Index("country").(*index.Multi), s.Index("tag").(*index.Multi), s.Index("title").(*index.Multi)
	keys := []state.Value{text("a"), text("tag 7"), text("title 77"), text("a title that is longer than sixteen bytes")}
	score := s.Index("by score").(*index.Sorted).Range(state.FloatValue(100), state.FloatValue(400))
	sum := 0
	for name, f := range map[string]func(){
		"get": func() {
			for _, key := range keys {
				sum += country.Get(key).Len() + tag.Get(key).Len() + title.Get(key).Len()
			}
		},
		"walk": func() {
			for o := range country.Get(keys[0]).All() {
				sum += int(o)
			}
		},
		"seek": func() {
			c := country.Get(keys[0]).Cursor()
			for o := c.Next(); o != state.NoOrdinal; o = c.Seek(o + 100) {
				sum += int(o)
			}
		},
		"range": func() {
			for o := range score.All() {
				sum += int(o)
			}
			for o := range score.Backward() {
				sum -= int(o)
			}
		},
	} {
		if n := testing.AllocsPerRun(100, f); n != 0 {
			t.Errorf("%s allocates %v times, want 0", name, n)
		}
	}
	if sum == 0 {
		t.Error("nothing was found")
	}
}

// The benchmarks use a catalogue of movies: country is a key that many have,
// person one that few have.
var benchPaths = map[string]string{"country": "countries.element.country.value", "person": "cast.element.id"}

const benchMovies = 5000

// catalogue returns two versions of the movies, share percent of them changed.
func catalogue(b *testing.B, share int) (from, to *state.State) {
	b.Helper()
	c := movies.New(benchMovies, 1)
	schemas, err := state.ParseSchemas(movies.Schemas)
	if err != nil {
		b.Fatal(err)
	}
	for version := range 2 {
		builder, err := state.NewBuilder(from, schemas)
		if err != nil {
			b.Fatal(err)
		}
		for i := range benchMovies {
			changes := 0
			if version == 1 && i%100 < share {
				changes = 1
			}
			if _, err := c.Add(builder, c.Movie(i, changes)); err != nil {
				b.Fatal(err)
			}
		}
		from = to
		if to, err = builder.Finish(state.Header{Tag: int64(version)}); err != nil {
			b.Fatal(err)
		}
		if version == 0 {
			from = to
		}
	}
	return from, to
}

func newMulti(b *testing.B, s *state.State, path string) *index.Multi {
	b.Helper()
	x, err := index.NewMulti(s, "Movie", path)
	if err != nil {
		b.Fatal(err)
	}
	return x
}

func BenchmarkMultiNew(b *testing.B) {
	s, _ := catalogue(b, 1)
	for name, path := range benchPaths {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				newMulti(b, s, path)
			}
		})
	}
}

func BenchmarkMultiNext(b *testing.B) {
	from, to := catalogue(b, 1)
	changes := state.ChangesBetween(from, to)
	for name, path := range benchPaths {
		b.Run(name, func(b *testing.B) {
			x := newMulti(b, from, path)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := x.Next(to, changes); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkMultiGet(b *testing.B) {
	s, _ := catalogue(b, 1)
	country, person := newMulti(b, s, benchPaths["country"]), newMulti(b, s, benchPaths["person"])
	us := country.Get(text("US"))
	b.Run("find country", func(b *testing.B) {
		key := text("US")
		for b.Loop() {
			country.Get(key)
		}
	})
	b.Run("find person", func(b *testing.B) {
		for i := int64(0); b.Loop(); i++ {
			person.Get(state.LongValue(1_000_000 + i%2500))
		}
	})
	b.Run(fmt.Sprintf("walk over %d", us.Len()), func(b *testing.B) {
		for b.Loop() {
			for o := range us.All() {
				_ = o
			}
		}
	})
	b.Run("two countries", func(b *testing.B) {
		q := index.And(country.Is(text("US")), country.Is(text("PA")))
		for b.Loop() {
			q.Len()
		}
	})
}

func BenchmarkSorted(b *testing.B) {
	from, to := catalogue(b, 1)
	changes := state.ChangesBetween(from, to)
	x, err := index.NewSorted(from, "Movie", "popularity")
	if err != nil {
		b.Fatal(err)
	}
	b.Run("next", func(b *testing.B) {
		for b.Loop() {
			if _, err := x.Next(to, changes); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("top ten", func(b *testing.B) {
		for b.Loop() {
			n := 0
			for range x.Range(state.Null(), state.Null()).Backward() {
				if n++; n == 10 {
					break
				}
			}
		}
	})
}
