package data

import (
	"github.com/holdfast-data/holdfast/bench/neutral"
	"github.com/holdfast-data/holdfast/pkg/state"
)

// A Sink takes records, as state.Builder and state.Editor do.
type Sink interface {
	AddObject(typeName string, values []state.Value) (state.Ordinal, error)
	AddList(typeName string, elements []state.Ordinal) (state.Ordinal, error)
	AddSet(typeName string, elements []state.Ordinal) (state.Ordinal, error)
	AddMap(typeName string, entries []state.Entry) (state.Ordinal, error)
}

// Adder hands encoded records to a sink.
type Adder struct {
	kind    *Kind
	sink    Sink
	err     error // the first of the record under way
	values  []state.Value
	refs    []state.Ordinal
	entries []state.Entry
}

// NewAdder adds records of that kind to sink.
func (k *Kind) NewAdder(sink Sink) *Adder { return &Adder{kind: k, sink: sink} }

// Add adds an encoded record with all that it refers to, and returns its
// ordinal.
func (a *Adder) Add(record []byte) (state.Ordinal, error) {
	a.err = nil
	o := a.kind.add(a, neutral.NewCursor(record))
	return o, a.err
}

func (a *Adder) keep(o state.Ordinal, err error) state.Ordinal {
	if err != nil && a.err == nil {
		a.err = err
	}
	return o
}

func (a *Adder) object(name string, values ...state.Value) state.Ordinal {
	a.values = append(a.values[:0], values...)
	return a.keep(a.sink.AddObject(name, a.values))
}

// text adds a record of a type with one string.
func (a *Adder) text(name string, c *neutral.Cursor) state.Ordinal {
	return a.object(name, state.TextValue(c.Bytes()))
}

// ref is text as a reference.
func (a *Adder) ref(name string, c *neutral.Cursor) state.Value {
	return state.ReferenceValue(a.text(name, c))
}
