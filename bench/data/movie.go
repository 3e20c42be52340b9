package data

import (
	"encoding/binary"

	"github.com/holdfast-data/holdfast/bench/movies"
	"github.com/holdfast-data/holdfast/bench/neutral"
	"github.com/holdfast-data/holdfast/pkg/state"
)

var movieKind = &Kind{
	Code: 1, Root: "Movie", Schemas: movies.Schemas, add: addMovie,
	Numbers: [3]string{"year", "runtime", "popularity"}, Text: "title", Scan: "year",
	Hash: []Hash{{"country", "countries.element.country.value", "Country"}, {"person", "cast.element.id", "Person"}},
}

type movieSource struct {
	n int
	c *movies.Catalogue
}

func newMovies(n int, seed uint64) movieSource { return movieSource{n, movies.New(n, seed)} }

func (s movieSource) Len() int { return s.n }

func (s movieSource) ID(i int) int64 { return movies.ID(i) }

func (s movieSource) Append(b []byte, i, changes int) []byte {
	m := s.c.Movie(i, changes)
	b = binary.AppendVarint(b, m.ID)
	b = neutral.AppendText(b, m.Title)
	b = binary.AppendVarint(b, int64(m.Year))
	b = binary.AppendVarint(b, int64(m.Runtime))
	b = neutral.AppendText(b, m.Rating)
	b = neutral.AppendFloat(b, m.Popularity)
	b = binary.AppendUvarint(b, uint64(len(m.Windows)))
	for _, w := range m.Windows {
		b = neutral.AppendText(b, w.Country)
		b = binary.AppendVarint(b, w.Start)
		b = binary.AppendVarint(b, w.End)
		b = neutral.AppendBool(b, w.Live)
	}
	b = binary.AppendUvarint(b, uint64(len(m.Genres)))
	for _, g := range m.Genres {
		b = neutral.AppendText(b, g)
	}
	b = binary.AppendUvarint(b, uint64(len(m.Cast)))
	for _, p := range m.Cast {
		b = binary.AppendVarint(b, p)
		b = neutral.AppendText(b, s.c.PersonName(p))
	}
	b = binary.AppendUvarint(b, uint64(len(m.Art)))
	for _, a := range m.Art {
		b = neutral.AppendText(b, a.Kind)
		b = neutral.AppendText(b, a.URL)
	}
	return b
}

func addMovie(a *Adder, c *neutral.Cursor) state.Ordinal {
	id, title := state.LongValue(c.Int()), state.TextValue(c.Bytes())
	year, runtime := state.IntValue(int32(c.Int())), state.IntValue(int32(c.Int()))
	rating, popularity := a.ref("Rating", c), state.FloatValue(c.Float())
	a.refs = a.refs[:0]
	for range c.Uint() {
		a.refs = append(a.refs, a.object("CountryAvailability",
			a.ref("Country", c), state.LongValue(c.Int()), state.LongValue(c.Int()), state.BoolValue(c.Bool())))
	}
	countries := a.keep(a.sink.AddList("ListOfCountryAvailability", a.refs))
	a.refs = a.refs[:0]
	for range c.Uint() {
		a.refs = append(a.refs, a.text("Genre", c))
	}
	genres := a.keep(a.sink.AddSet("SetOfGenre", a.refs))
	a.refs = a.refs[:0]
	for range c.Uint() {
		a.refs = append(a.refs, a.object("Person", state.LongValue(c.Int()), state.TextValue(c.Bytes())))
	}
	cast := a.keep(a.sink.AddList("ListOfPerson", a.refs))
	a.entries = a.entries[:0]
	for range c.Uint() {
		a.entries = append(a.entries, state.Entry{Key: a.text("ArtKind", c), Value: a.text("ArtUrl", c)})
	}
	artwork := a.keep(a.sink.AddMap("MapOfArtKindToArtUrl", a.entries))
	return a.object("Movie", id, title, year, runtime, rating, popularity,
		state.ReferenceValue(countries), state.ReferenceValue(genres), state.ReferenceValue(cast), state.ReferenceValue(artwork))
}
