package state_test

import (
	"bytes"
	"io"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/holdfast-data/holdfast/bench/movies"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/index"
)

// The benchmarks of the engine on a small catalogue: to see what a change to
// the code does. What the engine costs beside Hollow, on data that does not fit
// into a cache, is measured in bench/.

const benchMovies = 2000

// catalogue is what the benchmarks share; nothing changes it.
type catalogue struct {
	movies   *movies.Catalogue
	state    *state.State // with a key index named "key"
	index    *index.Unique
	snapshot []byte
	delta    []byte // changes every hundredth movie
	keys     []int64
}

var openCatalogue = sync.OnceValues(func() (*catalogue, error) {
	c := &catalogue{movies: movies.New(benchMovies, 1)}
	e, s, err := c.first()
	if err != nil {
		return nil, err
	}
	c.state, c.index = s, s.Index("key").(*index.Unique)
	var b bytes.Buffer
	if err := (state.Transition{Next: s}).WriteSnapshot(&b); err != nil {
		return nil, err
	}
	c.snapshot = b.Bytes()
	next, err := c.change(e, s, 1)
	if err != nil {
		return nil, err
	}
	var d bytes.Buffer
	if err := (state.Transition{Prev: s, Next: next}).WriteDelta(&d); err != nil {
		return nil, err
	}
	c.delta = d.Bytes()
	r := rand.New(rand.NewPCG(1, 2))
	for range 1 << 14 {
		c.keys = append(c.keys, movies.ID(r.IntN(benchMovies)))
	}
	return c, nil
})

// first makes the first version.
func (c *catalogue) first() (*state.Editor, *state.State, error) {
	schemas, err := state.ParseSchemas(movies.Schemas)
	if err != nil {
		return nil, nil, err
	}
	e, err := state.NewEditor(nil, schemas)
	if err != nil {
		return nil, nil, err
	}
	for i := range benchMovies {
		o, err := c.movies.Add(e, c.movies.Movie(i, 0))
		if err != nil {
			return nil, nil, err
		}
		if err := e.Hold("Movie", o); err != nil {
			return nil, nil, err
		}
	}
	s, err := e.Build(state.Header{Origin: -1, Tag: 1})
	if err != nil {
		return nil, nil, err
	}
	x, err := index.NewUnique(s, "Movie", nil)
	if err != nil {
		return nil, nil, err
	}
	s = s.WithIndex("key", x)
	e.Commit(s)
	return e, s, nil
}

// change builds a version of e in which every hundredth movie has had so many
// changes.
func (c *catalogue) change(e *state.Editor, s *state.State, changes int) (*state.State, error) {
	x := s.Index("key").(*index.Unique)
	for i := 0; i < benchMovies; i += 100 {
		now, err := c.movies.Add(e, c.movies.Movie(i, changes))
		if err != nil {
			return nil, err
		}
		old, _ := x.Get(state.LongValue(movies.ID(i)))
		if old == now {
			continue
		}
		if err := e.Hold("Movie", now); err != nil {
			return nil, err
		}
		if err := e.Release("Movie", old); err != nil {
			return nil, err
		}
	}
	return e.Build(state.Header{Tag: int64(changes) + 1})
}

func engine(tb testing.TB) *catalogue {
	tb.Helper()
	c, err := openCatalogue()
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

// lookUps are what a reader does with one key, by name.
func (c *catalogue) lookUps() map[string]func(id int64) int64 {
	schema := c.state.Type("Movie").Schema()
	year, runtime, title := schema.FieldIndex("year"), schema.FieldIndex("runtime"), schema.FieldIndex("title")
	cast := schema.FieldIndex("cast")
	casts, persons := c.state.Type("ListOfPerson"), c.state.Type("Person")
	var text []byte
	return map[string]func(id int64) int64{
		"find": func(id int64) int64 {
			o, _ := c.index.Get(state.LongValue(id))
			return int64(o)
		},
		"numbers": func(id int64) int64 {
			r, _ := c.index.Record(state.LongValue(id))
			y, _ := r.Int(year)
			m, _ := r.Int(runtime)
			return int64(y) + int64(m)
		},
		"view": func(id int64) int64 {
			r, _ := c.index.Record(state.LongValue(id))
			v, _ := r.StringView(title)
			return int64(len(v))
		},
		"copy": func(id int64) int64 {
			r, _ := c.index.Record(state.LongValue(id))
			text, _ = r.AppendString(text[:0], title)
			return int64(len(text))
		},
		"cast": func(id int64) int64 {
			r, _ := c.index.Record(state.LongValue(id))
			list := casts.Record(r.Reference(cast))
			var sum int64
			for i := range list.Len() {
				id, _ := persons.Record(list.Element(i)).Long(0)
				sum += id
			}
			return sum
		},
		"missing": func(id int64) int64 {
			o, _ := c.index.Get(state.LongValue(-id))
			return int64(o)
		},
	}
}

// scans are ways to read one field of all records, by name.
var scans = map[string]func(t *state.Type, field int) int64{
	"records": func(t *state.Type, field int) (sum int64) {
		for o := range t.Ordinals() {
			v, _ := t.Record(o).Int(field)
			sum += int64(v)
		}
		return sum
	},
	"scanner": func(t *state.Type, field int) (sum int64) {
		for s := t.Scan(field); s.Next(); {
			for _, v := range s.Longs() {
				sum += v
			}
		}
		return sum
	},
}

func BenchmarkLookUp(b *testing.B) {
	c := engine(b)
	for name, f := range c.lookUps() {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				f(c.keys[i&(len(c.keys)-1)])
				i++
			}
		})
	}
}

func BenchmarkScan(b *testing.B) {
	movie := engine(b).state.Type("Movie")
	year := movie.Schema().FieldIndex("year")
	for name, scan := range scans {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				scan(movie, year)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*movie.Len()), "ns/record")
		})
	}
}

func BenchmarkReadSnapshot(b *testing.B) {
	c := engine(b)
	b.SetBytes(int64(len(c.snapshot)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := state.ReadSnapshot(c.snapshot, state.ReadOptions{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkNewUnique(b *testing.B) {
	c := engine(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := index.NewUnique(c.state, "Movie", nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	c := engine(b)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.state.Apply(c.delta); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkWriteSnapshot(b *testing.B) {
	c := engine(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := (state.Transition{Next: c.state}).WriteSnapshot(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCycle makes versions in which every hundredth movie changes, each
// with both deltas; BenchmarkChecksum is what verification adds.
func BenchmarkCycle(b *testing.B) {
	c := engine(b)
	e, s, err := c.first()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	changes := 0
	for b.Loop() {
		changes = changes%8 + 1
		next, err := c.change(e, s, changes)
		if err != nil {
			b.Fatal(err)
		}
		t := state.Transition{Prev: s, Next: next}
		if err := t.WriteDelta(io.Discard); err != nil {
			b.Fatal(err)
		}
		if err := t.WriteReverseDelta(io.Discard); err != nil {
			b.Fatal(err)
		}
		e.Commit(next)
		s = next
	}
}

func BenchmarkChecksum(b *testing.B) {
	c := engine(b)
	sum, err := c.state.Checksum()
	if err != nil {
		b.Fatal(err)
	}
	next, err := c.state.Apply(c.delta)
	if err != nil {
		b.Fatal(err)
	}
	changes := state.ChangesBetween(c.state, next)
	b.Run("next", func(b *testing.B) {
		for b.Loop() {
			if _, err := state.NewHasher(c.state).Next(sum, next, changes); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("all", func(b *testing.B) {
		for b.Loop() {
			if _, err := c.state.Checksum(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
