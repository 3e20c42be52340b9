// Package movies makes a catalogue of made-up movies for benchmarks, and the
// changes of its days: a pure function of size and seed.
//
// A movie has on average 12 windows of availability over 60 countries (of one
// to three deals), 10 of N/2 persons (some of them in many movies), 1 to 4 of
// 40 genres, and 2 to 5 artwork URLs that occur once.
package movies

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// Schemas is the dataset's schema in Hollow's text form.
const Schemas = `
Movie @PrimaryKey(id) { long id; string title; int year; int runtime; Rating rating; float popularity;
  ListOfCountryAvailability countries; SetOfGenre genres; ListOfPerson cast; MapOfArtKindToArtUrl artwork; }
Rating { string value; }
CountryAvailability { Country country; long start; long end; boolean live; }
Country { string value; }
Genre { string value; }
Person { long id; string name; }
ArtKind { string value; }
ArtUrl { string value; }
ListOfCountryAvailability List<CountryAvailability>;
ListOfPerson List<Person>;
SetOfGenre Set<Genre> @HashKey(value);
MapOfArtKindToArtUrl Map<ArtKind,ArtUrl> @HashKey(value);
`

// Window is one availability.
type Window struct {
	Country    string
	Start, End int64 // milliseconds since the epoch, at midnight
	Live       bool
}

// Art is one artwork.
type Art struct{ Kind, URL string }

// Movie is one record.
type Movie struct {
	ID         int64
	Title      string
	Year       int32
	Runtime    int32
	Rating     string
	Popularity float32
	Windows    []Window
	Genres     []string
	Cast       []int64
	Art        []Art
}

// Catalogue makes movies.
type Catalogue struct {
	n    int
	seed uint64
}

// New returns the catalogue of n movies of a seed.
func New(n int, seed uint64) *Catalogue { return &Catalogue{n, seed} }

const dayMillis = 86_400_000

// firstDay is 2020-01-01.
const firstDay = 1_577_836_800_000

var (
	ratings   = strings.Fields("G PG PG-13 R NC-17 TV-Y TV-Y7 TV-G TV-PG TV-14 TV-MA NR")
	countries = strings.Fields("US CA GB FR DE ES IT NL BE SE NO DK FI PL CZ AT CH IE PT GR RO HU BG HR TR IL ZA NG KE EG MA SA AE IN PK BD LK TH VN MY SG ID PH JP KR TW HK AU NZ MX BR AR CL CO PE VE EC UY CR PA")
	artKinds  = strings.Fields("boxshot banner storyart titlecard logo hero tile")
	syllables = strings.Fields("bach chen dor elm fair grim hunt ing joss kran lund meis nor orth plin quar rast sil thorn umber vel wick xan yor zund strad brin cloe dell freud gart hav isk jarl kest lam moor nesh ost pike rill sand teal urs vance wolt")
	terms     = []int64{180, 365, 365, 548, 730, 1095}
)

// random returns the random numbers of one thing.
func (c *Catalogue) random(parts ...uint64) *rand.Rand {
	h := c.seed + 0x9e3779b97f4a7c15
	for _, p := range parts {
		h = mix(h ^ p)
	}
	return rand.New(rand.NewPCG(h, mix(h)))
}

// mix is the finalizer of MurmurHash3.
func mix(h uint64) uint64 {
	h = (h ^ h>>33) * 0xff51afd7ed558ccd
	h = (h ^ h>>33) * 0xc4ceb9fe1a85ec53
	return h ^ h>>33
}

// word returns a word of so many syllables.
func word(r *rand.Rand, least, most int) string {
	var b strings.Builder
	for range least + r.IntN(most-least+1) {
		b.WriteString(syllables[r.IntN(len(syllables))])
	}
	text := b.String()
	return strings.ToUpper(text[:1]) + text[1:]
}

func title(r *rand.Rand) string {
	words := make([]string, 1+r.IntN(4))
	for i := range words {
		words[i] = word(r, 1, 3)
	}
	return strings.Join(words, " ")
}

func artURL(r *rand.Rand) string { return fmt.Sprintf("/art/%017x.jpg", r.Uint64()) }

// ID returns the id of movie i, whatever the catalogue.
func ID(i int) int64 { return 60_000_000 + int64(i)*3 + int64(mix(uint64(i))%3) }

// PersonName returns the name of a person.
func (c *Catalogue) PersonName(id int64) string {
	r := c.random(2, uint64(id))
	return word(r, 1, 2) + " " + word(r, 2, 3)
}

// Movie returns movie i after so many changes.
func (c *Catalogue) Movie(i, changes int) *Movie {
	r := c.random(1, uint64(i))
	m := &Movie{
		ID: ID(i), Title: title(r),
		Year: int32(2026 - math.Abs(r.NormFloat64())*18), Runtime: int32(60 + r.IntN(120)),
		Rating: ratings[r.IntN(len(ratings))], Popularity: float32(r.ExpFloat64()), Windows: windows(r),
	}
	first := r.IntN(40)
	for k := range 1 + r.IntN(4) {
		m.Genres = append(m.Genres, fmt.Sprintf("Genre %d", (first+k*7)%40))
	}
	for range 3 + r.IntN(15) {
		u := r.Float64()
		m.addCast(1_000_000 + int64(u*u*u*float64(max(100, c.n/2))))
	}
	for _, k := range r.Perm(len(artKinds))[:2+r.IntN(4)] {
		m.Art = append(m.Art, Art{artKinds[k], artURL(r)})
	}
	for k := range changes {
		c.change(m, c.random(3, uint64(i), uint64(k)))
	}
	return m
}

func windows(r *rand.Rand) []Window {
	deals := make([]Window, 1+r.IntN(3))
	for i := range deals {
		deals[i].Start = firstDay + int64(r.IntN(1400))*dayMillis
		deals[i].End = deals[i].Start + terms[r.IntN(len(terms))]*dayMillis
	}
	out := make([]Window, 4+r.IntN(17))
	for i, k := range r.Perm(len(countries))[:len(out)] {
		out[i] = deals[r.IntN(len(deals))]
		out[i].Country, out[i].Live = countries[k], r.IntN(10) != 0
	}
	return out
}

func (m *Movie) addCast(id int64) {
	for _, p := range m.Cast {
		if p == id {
			return
		}
	}
	m.Cast = append(m.Cast, id)
}

// change makes one change: always another popularity, in half of the cases
// something else, too.
func (c *Catalogue) change(m *Movie, r *rand.Rand) {
	m.Popularity = float32(r.ExpFloat64())
	switch p := r.IntN(100); {
	case p < 50:
	case p < 85:
		for range 1 + r.IntN(3) {
			w := &m.Windows[r.IntN(len(m.Windows))]
			if r.IntN(2) == 0 {
				w.Live = !w.Live
			} else {
				w.End += int64(30+r.IntN(300)) * dayMillis
			}
		}
	case p < 95:
		m.Art[r.IntN(len(m.Art))].URL = artURL(r)
	case p < 98:
		m.addCast(1_000_000 + int64(r.IntN(max(100, c.n/2))))
	default:
		m.Title = title(r)
	}
}

// A Sink takes records, as state.Builder does.
type Sink interface {
	AddObject(typeName string, values []state.Value) (state.Ordinal, error)
	AddList(typeName string, elements []state.Ordinal) (state.Ordinal, error)
	AddSet(typeName string, elements []state.Ordinal) (state.Ordinal, error)
	AddMap(typeName string, entries []state.Entry) (state.Ordinal, error)
}

// Add adds a movie and all that it refers to.
func (c *Catalogue) Add(s Sink, m *Movie) (state.Ordinal, error) {
	a := adder{sink: s}
	var countries, cast, genres []state.Ordinal
	for _, w := range m.Windows {
		countries = append(countries, a.object("CountryAvailability",
			a.text("Country", w.Country), state.LongValue(w.Start), state.LongValue(w.End), state.BoolValue(w.Live)))
	}
	for _, g := range m.Genres {
		genres = append(genres, a.text("Genre", g).Reference())
	}
	for _, p := range m.Cast {
		cast = append(cast, a.object("Person", state.LongValue(p), state.StringValue(c.PersonName(p))))
	}
	var art []state.Entry
	for _, x := range m.Art {
		art = append(art, state.Entry{Key: a.text("ArtKind", x.Kind).Reference(), Value: a.text("ArtUrl", x.URL).Reference()})
	}
	o := a.object("Movie", state.LongValue(m.ID), state.StringValue(m.Title), state.IntValue(m.Year), state.IntValue(m.Runtime),
		a.text("Rating", m.Rating), state.FloatValue(m.Popularity),
		a.keep(s.AddList("ListOfCountryAvailability", countries)), a.keep(s.AddSet("SetOfGenre", genres)),
		a.keep(s.AddList("ListOfPerson", cast)), a.keep(s.AddMap("MapOfArtKindToArtUrl", art)))
	return o, a.err
}

// adder keeps the first error.
type adder struct {
	sink Sink
	err  error
}

func (a *adder) keep(o state.Ordinal, err error) state.Value {
	if err != nil && a.err == nil {
		a.err = err
	}
	return state.ReferenceValue(o)
}

func (a *adder) object(name string, values ...state.Value) state.Ordinal {
	return a.keep(a.sink.AddObject(name, values)).Reference()
}

func (a *adder) text(name, value string) state.Value {
	return state.ReferenceValue(a.object(name, state.StringValue(value)))
}
