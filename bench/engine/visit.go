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

	countryList, castList, genreList []state.Ordinal // scratch
	entries                          []state.Entry
	urls                             []state.Ordinal
}

func newMovieVisitor(s *state.State) *movieVisitor {
	return &movieVisitor{
		rating: s.Type("Rating"), availability: s.Type("CountryAvailability"), country: s.Type("Country"), genre: s.Type("Genre"),
		person: s.Type("Person"), artKind: s.Type("ArtKind"), artURL: s.Type("ArtUrl"),
		countries: s.Type("ListOfCountryAvailability"), genres: s.Type("SetOfGenre"), cast: s.Type("ListOfPerson"),
		artwork: s.Type("MapOfArtKindToArtUrl"),
	}
}

// visit asks for what it will read as soon as it knows it, level by level, so
// that the waits for memory overlap.
func (v *movieVisitor) visit(r state.Record) int64 {
	countries, genres := v.countries.Record(r.Reference(6)), v.genres.Record(r.Reference(7))
	cast, artwork := v.cast.Record(r.Reference(8)), v.artwork.Record(r.Reference(9))
	countries.Prefetch()
	genres.Prefetch()
	cast.Prefetch()
	artwork.Prefetch()
	popularity, _ := r.Float(5)
	sum := long(r, 0) + 3*integer(r, 2) + 5*integer(r, 3) + int64(math.Float32bits(popularity)) +
		7*text(r, 1) + 11*text(v.rating.Record(r.Reference(4)), 0)

	v.countryList = countries.AppendElements(v.countryList[:0])
	v.availability.Prefetch(v.countryList)
	v.castList = cast.AppendElements(v.castList[:0])
	v.person.Prefetch(v.castList)
	v.genreList = genres.AppendElements(v.genreList[:0])
	v.entries = artwork.AppendEntries(v.entries[:0])
	v.urls = v.urls[:0]
	for _, e := range v.entries {
		v.urls = append(v.urls, e.Value)
	}
	v.artURL.Prefetch(v.urls)

	for _, o := range v.countryList {
		a := v.availability.Record(o)
		sum += text(v.country.Record(a.Reference(0)), 0) + long(a, 1) + 2*long(a, 2) + boolean(a, 3)
	}
	for _, o := range v.castList {
		p := v.person.Record(o)
		sum += long(p, 0) + 17*text(p, 1)
	}
	for _, o := range v.genreList {
		sum += 13 * text(v.genre.Record(o), 0)
	}
	for i, e := range v.entries {
		sum += 19*text(v.artKind.Record(e.Key), 0) + 23*text(v.artURL.Record(v.urls[i]), 0)
	}
	return sum
}
