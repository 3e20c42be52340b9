package index

import "github.com/holdfast-data/holdfast/pkg/state"

// maxStackCode is the length of a key's code that costs no allocation.
const maxStackCode = 128

// Multi finds the records of a type by a key that many may have, and of which a
// record may have many: its paths may lead through LISTs, SETs and MAPs. That is
// what Hollow calls a hash index. It is immutable and safe for any number of
// readers.
//
// Keys are compared exactly, as in Unique, and null is a value like another: a
// record with a null at the end of a path, or a null reference on the way, is
// found by null. Through a collection that is empty or not there nothing is
// found. Two paths through the same collection come from the same element of
// it; through different ones, from every pair.
type Multi struct{ inverted }

var _ state.Index = (*Multi)(nil)

// NewMulti indexes a type of s by the values at field paths, in which "element"
// stands for what a LIST or SET holds, "key" and "value" for what a MAP does. A
// path that ends at a reference goes on to the only field, or the key of one
// field, of what it refers to. It fails with ErrKey if there is no such path,
// with state.ErrNotBindable if a type on it is not loaded.
func NewMulti(s *state.State, typeName string, paths ...string) (*Multi, error) {
	x, err := newInverted(s, typeName, paths, false)
	if err != nil {
		return nil, err
	}
	return &Multi{x}, nil
}

// Type returns the indexed type, in the index's state.
func (x *Multi) Type() *state.Type { return x.t }

// Paths returns the field paths of the key. The slice must not be changed.
func (x *Multi) Paths() []string { return x.paths }

// Fields returns the types of the key's parts. The slice must not be changed.
func (x *Multi) Fields() []state.FieldType { return x.types }

// Keys returns the number of different keys.
func (x *Multi) Keys() int { return x.tree.keys }

// Len returns the number of pairs of a key and a record.
func (x *Multi) Len() int { return x.tree.postings }

// Check fails with ErrKey unless a look-up by that key makes sense: it has as
// many values as the index has parts, each null or of the part's type.
func (x *Multi) Check(key ...state.Value) error { return x.check(key) }

// Get returns the records with that key; none has one with other types.
func (x *Multi) Get(key ...state.Value) Postings {
	if !x.fits(key) {
		return Postings{}
	}
	var room [maxStackCode]byte
	return x.tree.get(x.code(room[:0], key))
}

// Each calls f with the records of each key, in no order, until it says false.
// There are no keys for it to see: a long one is kept as a digest.
func (x *Multi) Each(f func(Postings) bool) {
	for e := range x.tree.ascend(nil, nil) {
		if !f(e.postings()) {
			return
		}
	}
}

// Next returns the index of next at a cost in proportion to the changes of the
// indexed type. It shares with x what did not change. The changes are those of one
// transition: over several, an ordinal may have become another record's, which no
// list of ordinals shows.
func (x *Multi) Next(next *state.State, changes state.Changes) (state.Index, error) {
	n, err := x.next(next, changes)
	if err != nil {
		return nil, err
	}
	return &Multi{n}, nil
}
