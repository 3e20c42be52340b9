package data

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"

	"github.com/holdfast-data/holdfast/bench/neutral"
	"github.com/holdfast-data/holdfast/pkg/state"
)

// Kind is one kind of records.
type Kind struct {
	Code    byte   // in the header of a file
	Root    string // the type of the records
	Schemas string // in Hollow's text form
	// Numbers are the three fields that a look-up reads, Text the string, Scan
	// the integer that a scan sums.
	Numbers    [3]string
	Text, Scan string
	// Hash are the paths that have an index of many records a key.
	Hash []Hash

	add func(a *Adder, c *neutral.Cursor) state.Ordinal
}

// Hash is a path with a name for it, and the type whose records have the values
// at its end.
type Hash struct{ Name, Path, Type string }

// KindOf returns the kind with that code.
func KindOf(code byte) (*Kind, error) {
	for _, k := range []*Kind{movieKind, flatKind, cityKind} {
		if k.Code == code {
			return k, nil
		}
	}
	return nil, fmt.Errorf("there is no kind %d of records", code)
}

// IDOf returns the id of an encoded record: its first value, whatever the kind.
func IDOf(record []byte) int64 { return neutral.NewCursor(record).Int() }

// A Source encodes records. Every record begins with its id.
type Source interface {
	// Len returns the number of records in the base.
	Len() int
	// ID returns the id of record i, which may be one that is not in the base.
	ID(i int) int64
	// Append encodes record i after so many changes.
	Append(b []byte, i, changes int) []byte
}

// KindNamed returns the kind of the records of a name such as "movie-100000" or
// "city".
func KindNamed(name string) (*Kind, error) {
	kind, _, _ := strings.Cut(name, "-")
	if k := map[string]*Kind{"movie": movieKind, "flat": flatKind, "city": cityKind}[kind]; k != nil {
		return k, nil
	}
	return nil, fmt.Errorf("make data %q: there is movie-N, flat-N, city and featuregate", name)
}

// New returns what a name such as "movie-100000" or "flat-1000000" stands for.
// "city" takes the real cities of the file cities.
func New(name string, seed uint64, cities string) (*Kind, Source, error) {
	kind, err := KindNamed(name)
	if err != nil {
		return nil, nil, err
	}
	if kind == cityKind {
		s, err := readCities(cities, seed)
		return kind, s, err
	}
	_, size, _ := strings.Cut(name, "-")
	n, err := strconv.Atoi(size)
	if err != nil || n < 1 {
		return nil, nil, fmt.Errorf("make data %q: it has no size", name)
	}
	if kind == movieKind {
		return kind, newMovies(n, seed), nil
	}
	return kind, flats{n, seed}, nil
}

// random returns the random numbers of one thing.
func random(parts ...uint64) *rand.Rand {
	h := uint64(0x9e3779b97f4a7c15)
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
