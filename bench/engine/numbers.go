package main

import (
	"errors"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/index"
)

// numbers adds up three numbers of records. It knows their types, as a program
// does, and as Hollow's side does. The loops are written out: a function for what
// they have in common would be a call for each record, and measured.
type numbers interface {
	// lookUp adds up those of the records with these keys.
	lookUp(x *index.Unique, keys []int64) int64
	// read adds up those of the records.
	read(records []state.Record) int64
	// fields are those three.
	fields() []int
}

// numbersOf returns those of records of a type.
func numbersOf(w workspace, t *state.Type) numbers {
	var f threeFields
	for i, name := range w.kind.Numbers {
		f[i] = t.Schema().FieldIndex(name)
	}
	switch w.kind.Root {
	case "Movie":
		return movieNumbers{f}
	case "Flat":
		return flatNumbers{f}
	}
	return cityNumbers{f}
}

type threeFields [3]int

func (f threeFields) fields() []int { return f[:] }

// get returns the record with that key.
func get(x *index.Unique, key int64) state.Record {
	r, ok := x.Long(key)
	if !ok {
		panic(errLost)
	}
	return r
}

var errLost = errors.New("a key is lost")

// movieNumbers are year, runtime and popularity.
type movieNumbers struct{ threeFields }

func (f movieNumbers) lookUp(x *index.Unique, keys []int64) (sum int64) {
	for _, key := range keys {
		r := get(x, key)
		a, _ := r.Int(f.threeFields[0])
		b, _ := r.Int(f.threeFields[1])
		c, _ := r.Float(f.threeFields[2])
		sum += int64(a) + int64(b) + int64(c)
	}
	return sum
}

func (f movieNumbers) read(records []state.Record) (sum int64) {
	for _, r := range records {
		a, _ := r.Int(f.threeFields[0])
		b, _ := r.Int(f.threeFields[1])
		c, _ := r.Float(f.threeFields[2])
		sum += int64(a) + int64(b) + int64(c)
	}
	return sum
}

// flatNumbers are category, price and stock.
type flatNumbers struct{ threeFields }

func (f flatNumbers) lookUp(x *index.Unique, keys []int64) (sum int64) {
	for _, key := range keys {
		r := get(x, key)
		a, _ := r.Int(f.threeFields[0])
		b, _ := r.Long(f.threeFields[1])
		c, _ := r.Int(f.threeFields[2])
		sum += int64(a) + b + int64(c)
	}
	return sum
}

func (f flatNumbers) read(records []state.Record) (sum int64) {
	for _, r := range records {
		a, _ := r.Int(f.threeFields[0])
		b, _ := r.Long(f.threeFields[1])
		c, _ := r.Int(f.threeFields[2])
		sum += int64(a) + b + int64(c)
	}
	return sum
}

// cityNumbers are population, latitude and longitude.
type cityNumbers struct{ threeFields }

func (f cityNumbers) lookUp(x *index.Unique, keys []int64) (sum int64) {
	for _, key := range keys {
		r := get(x, key)
		a, _ := r.Int(f.threeFields[0])
		b, _ := r.Double(f.threeFields[1])
		c, _ := r.Double(f.threeFields[2])
		sum += int64(a) + int64(b) + int64(c)
	}
	return sum
}

func (f cityNumbers) read(records []state.Record) (sum int64) {
	for _, r := range records {
		a, _ := r.Int(f.threeFields[0])
		b, _ := r.Double(f.threeFields[1])
		c, _ := r.Double(f.threeFields[2])
		sum += int64(a) + int64(b) + int64(c)
	}
	return sum
}
