package index

import (
	"iter"
	"math"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// Sorted has the records of a type in order of a value: numbers as numbers, signed
// ones, so that a uint64 from 2^63 on, of which a LONG has the bits, comes first;
// false before true, text by its UTF-8, bytes as they are. Null and NaN are in
// no order, and records that have them are left out. If its path leads through
// collections, a record is there once for each value it has. It keeps every
// value, once, and is immutable and safe for any number of readers.
type Sorted struct{ inverted }

var _ state.Index = (*Sorted)(nil)

// NewSorted indexes a type of s by the value at a field path, which is as in
// NewMulti, and fails as that does.
func NewSorted(s *state.State, typeName, path string) (*Sorted, error) {
	x, err := newInverted(s, typeName, []string{path}, true)
	if err != nil {
		return nil, err
	}
	return &Sorted{x}, nil
}

// Type returns the indexed type, in the index's state.
func (x *Sorted) Type() *state.Type { return x.t }

// Path returns the field path.
func (x *Sorted) Path() string { return x.paths[0] }

// Field returns the type of the values.
func (x *Sorted) Field() state.FieldType { return x.types[0] }

// Keys returns the number of different values.
func (x *Sorted) Keys() int { return x.tree.keys }

// Len returns the number of pairs of a value and a record.
func (x *Sorted) Len() int { return x.tree.postings }

// Check fails with ErrKey unless v is null or of the values' type.
func (x *Sorted) Check(v state.Value) error { return x.check([]state.Value{v}) }

// Range returns the records whose value is at least from and less than to; a
// null is no bound. Zeros of either sign are the same bound. If a bound is of
// another type or a NaN, it is empty.
func (x *Sorted) Range(from, to state.Value) Range {
	r := Range{t: x.t, tree: &x.tree}
	for i, bound := range []state.Value{from, to} {
		if bound.IsNull() {
			continue
		}
		if bound.Type() != x.types[0] || !bound.Equal(bound) {
			return Range{t: x.t}
		}
		r.bounds[i] = appendParts(nil, []state.Value{negativeZero(bound)})
	}
	return r
}

// negativeZero returns -0.0 for 0.0, and all else as it is.
func negativeZero(v state.Value) state.Value {
	switch {
	case v.Type() == state.Float && v.Float() == 0:
		return state.FloatValue(float32(math.Copysign(0, -1)))
	case v.Type() == state.Double && v.Double() == 0:
		return state.DoubleValue(math.Copysign(0, -1))
	}
	return v
}

// Prefix returns the records whose text or bytes begin with v's. It is empty if
// v is of another type than the values.
func (x *Sorted) Prefix(v state.Value) Range {
	if v.Type() != x.types[0] || v.Type() != state.String && v.Type() != state.Bytes {
		return Range{t: x.t}
	}
	r := Range{t: x.t, tree: &x.tree}
	r.bounds[0] = appendParts(nil, []state.Value{v})
	to := slices.Clone(r.bounds[0])
	for to[len(to)-1] == 0xff { // it ends at codeData, at the latest
		to = to[:len(to)-1]
	}
	to[len(to)-1]++
	r.bounds[1] = to
	return r
}

// Next returns the index of next at a cost in proportion to the changes of the
// indexed type. It shares with x what did not change. The changes are those of one
// transition: over several, an ordinal may have become another record's, which no
// list of ordinals shows.
func (x *Sorted) Next(next *state.State, changes state.Changes) (state.Index, error) {
	n, err := x.next(next, changes)
	if err != nil {
		return nil, err
	}
	return &Sorted{n}, nil
}

// Range is what a Sorted has between two values. It is immutable.
type Range struct {
	t      *state.Type
	tree   *tree     // nil: empty
	bounds [2][]byte // nil: none
}

// All yields the records by ascending value, those with equal values by
// ascending ordinal.
func (r Range) All() iter.Seq[state.Ordinal] {
	return func(yield func(state.Ordinal) bool) {
		if r.tree == nil {
			return
		}
		for e := range r.tree.ascend(r.bounds[0], r.bounds[1]) {
			if !e.yield(yield) {
				return
			}
		}
	}
}

// Backward yields the records by descending value, those with equal values by
// ascending ordinal.
func (r Range) Backward() iter.Seq[state.Ordinal] {
	return func(yield func(state.Ordinal) bool) {
		if r.tree == nil {
			return
		}
		for e := range r.tree.descend(r.bounds[0], r.bounds[1]) {
			if !e.yield(yield) {
				return
			}
		}
	}
}

func (e *entry) yield(yield func(state.Ordinal) bool) bool {
	c := e.postings().Cursor()
	for o := c.Next(); o != state.NoOrdinal; o = c.Next() {
		if !yield(o) {
			return false
		}
	}
	return true
}

// Len returns the number of pairs of a value and a record, at a cost in
// proportion to the number of values.
func (r Range) Len() int {
	n := 0
	if r.tree != nil {
		for e := range r.tree.ascend(r.bounds[0], r.bounds[1]) {
			n += e.postings().Len()
		}
	}
	return n
}
