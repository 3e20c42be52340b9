package main

import (
	"math"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// visitorOf returns a function that reads every field of a record, with all
// that it refers to, through Record's methods. Hollow's side sums the same.
func visitorOf(s *state.State, root string) func(state.Record) int64 {
	switch root {
	case "Movie":
		return newMovieVisitor(s).visit
	case "City":
		return cityVisitor{s.Type("Country"), s.Type("Admin"), s.Type("Feature")}.visit
	}
	return visitFlat
}

// text stands for a string: its length and its last byte.
func text(r state.Record, f int) int64 {
	b, _ := r.StringView(f)
	if len(b) == 0 {
		return 0
	}
	return int64(len(b))*256 + int64(b[len(b)-1])
}

func long(r state.Record, f int) int64 {
	v, _ := r.Long(f)
	return v
}

func integer(r state.Record, f int) int64 {
	v, _ := r.Int(f)
	return int64(v)
}

func boolean(r state.Record, f int) int64 {
	if v, _ := r.Bool(f); v {
		return 1
	}
	return 0
}

func visitFlat(r state.Record) int64 {
	return long(r, 0) + text(r, 1) + integer(r, 2) + long(r, 3) + integer(r, 4) + long(r, 5) + boolean(r, 6)
}

type cityVisitor struct{ country, admin, feature *state.Type }

func (v cityVisitor) visit(r state.Record) int64 {
	lat, _ := r.Double(6)
	lon, _ := r.Double(7)
	return long(r, 0) + text(r, 1) + text(v.country.Record(r.Reference(2)), 0) + text(v.admin.Record(r.Reference(3)), 0) +
		text(v.feature.Record(r.Reference(4)), 0) + integer(r, 5) + int64(math.Float64bits(lat)) + int64(math.Float64bits(lon))
}

type movieVisitor struct {
	rating, availability, country, genre, person, artKind, artURL *state.Type
	countries, genres, cast, artwork                              *state.Type

	list    []state.Ordinal // scratch
	entries []state.Entry
}

func newMovieVisitor(s *state.State) *movieVisitor {
	return &movieVisitor{
		rating: s.Type("Rating"), availability: s.Type("CountryAvailability"), country: s.Type("Country"), genre: s.Type("Genre"),
		person: s.Type("Person"), artKind: s.Type("ArtKind"), artURL: s.Type("ArtUrl"),
		countries: s.Type("ListOfCountryAvailability"), genres: s.Type("SetOfGenre"), cast: s.Type("ListOfPerson"),
		artwork: s.Type("MapOfArtKindToArtUrl"),
	}
}

func (v *movieVisitor) visit(r state.Record) int64 {
	popularity, _ := r.Float(5)
	sum := long(r, 0) + 3*integer(r, 2) + 5*integer(r, 3) + int64(math.Float32bits(popularity)) +
		7*text(r, 1) + 11*text(v.rating.Record(r.Reference(4)), 0)
	v.list = v.countries.Record(r.Reference(6)).AppendElements(v.list[:0])
	v.availability.Prefetch(v.list)
	for _, o := range v.list {
		a := v.availability.Record(o)
		sum += text(v.country.Record(a.Reference(0)), 0) + long(a, 1) + 2*long(a, 2) + boolean(a, 3)
	}
	v.list = v.genres.Record(r.Reference(7)).AppendElements(v.list[:0])
	for _, o := range v.list {
		sum += 13 * text(v.genre.Record(o), 0)
	}
	v.list = v.cast.Record(r.Reference(8)).AppendElements(v.list[:0])
	v.person.Prefetch(v.list)
	for _, o := range v.list {
		p := v.person.Record(o)
		sum += long(p, 0) + 17*text(p, 1)
	}
	v.entries = v.artwork.Record(r.Reference(9)).AppendEntries(v.entries[:0])
	for _, e := range v.entries {
		sum += 19*text(v.artKind.Record(e.Key), 0) + 23*text(v.artURL.Record(e.Value), 0)
	}
	return sum
}
