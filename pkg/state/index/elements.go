package index

import (
	"fmt"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// Elements finds entries of the SETs or MAPs of one type by hash key. It keeps
// nothing but the way to the key: the hash tables are in the records. It
// belongs to one state, is immutable and safe for any number of readers.
type Elements struct {
	t     *state.Type
	of    *state.Type // the type of elements or keys
	parts []keyPath
	types []state.FieldType
}

// NewElements prepares look-ups in the SETs or MAPs of a type of s. It fails
// with ErrKey if the type has no hash key, with state.ErrNotBindable if what
// the key leads through is not loaded.
func NewElements(s *state.State, typeName string) (*Elements, error) {
	t := s.Type(typeName)
	if t == nil {
		return nil, fmt.Errorf("look up in %s: %w", typeName, noType(typeName))
	}
	schema := t.Schema()
	if schema.Kind != state.Set && schema.Kind != state.Map || len(schema.Key) == 0 {
		return nil, fmt.Errorf("look up in %v %s: it has no hash key: %w", schema.Kind, typeName, ErrKey)
	}
	_, steps, err := resolveKey(s, schema.Element, schema.Key)
	if err != nil {
		return nil, fmt.Errorf("look up in %s: %w", typeName, err)
	}
	x := &Elements{t: t, of: s.Type(schema.Element), parts: bindKey(s, steps)}
	for _, p := range x.parts {
		x.types = append(x.types, p.last)
	}
	return x, nil
}

// Fields returns the types of the key's parts. The slice must not be changed.
func (x *Elements) Fields() []state.FieldType { return x.types }

// Find returns the position of the entry of r, a record of the Elements' state
// and type, whose element or key has that key. As in Hollow numbers compare as
// numbers, null and NaN match nothing, and 0.0 and -0.0, though equal, are
// looked for in different places and so hardly ever found for each other.
func (x *Elements) Find(r state.Record, key ...state.Value) (i int, ok bool) {
	hash, ok := state.KeyHash(key)
	if !ok || len(key) != len(x.parts) {
		return 0, false
	}
	for i := range r.Probe(hash) {
		if o := r.Element(i); x.of.Populated(o) && x.has(x.of.Record(o), key) {
			return i, true
		}
	}
	return 0, false
}

func (x *Elements) has(r state.Record, key []state.Value) bool {
	for i := range x.parts {
		v := x.parts[i].value(r)
		if !v.Equal(key[i]) && (v.Type() != state.String || !samePart(v, key[i])) {
			return false
		}
	}
	return true
}
