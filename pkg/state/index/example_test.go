package index_test

import (
	"fmt"
	"log"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/index"
)

// Records are found by what they refer to, too, and queries are combined.
func ExampleAnd() {
	schemas, err := state.ParseSchemas(`
Film @PrimaryKey(id) { long id; int year; SetOfGenre genres; }
Genre { string name; }
SetOfGenre Set<Genre>;
`)
	if err != nil {
		log.Fatal(err)
	}
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		log.Fatal(err)
	}
	add := func(o state.Ordinal, err error) state.Ordinal {
		if err != nil {
			log.Fatal(err)
		}
		return o
	}
	for id, film := range []struct {
		year   int32
		genres []string
	}{{1979, []string{"Horror", "Science fiction"}}, {1985, []string{"Science fiction"}}, {1980, []string{"Horror"}}} {
		var genres []state.Ordinal
		for _, name := range film.genres {
			genres = append(genres, add(b.AddObject("Genre", []state.Value{state.StringValue(name)})))
		}
		set := add(b.AddSet("SetOfGenre", genres))
		add(b.AddObject("Film", []state.Value{state.LongValue(int64(id)), state.IntValue(film.year), state.ReferenceValue(set)}))
	}
	s, err := b.Finish(state.Header{Origin: -1, Tag: 1})
	if err != nil {
		log.Fatal(err)
	}

	byGenre, err := index.NewMulti(s, "Film", "genres.element.name")
	if err != nil {
		log.Fatal(err)
	}
	byYear, err := index.NewSorted(s, "Film", "year")
	if err != nil {
		log.Fatal(err)
	}
	eighties := byYear.Range(state.IntValue(1980), state.IntValue(1990)).Query() // before 1990
	for o := range index.And(byGenre.Is(state.StringValue("Science fiction")), eighties).All() {
		id, _ := byYear.Type().Record(o).Long(0)
		fmt.Println(id)
	}
	// Output: 1
}
