package index

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/cespare/xxhash/v2"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// ErrKey says that a key has the wrong number of values, or one of the wrong
// type, or that a type has no such key.
var ErrKey = errors.New("key does not fit the index")

// keyPath is one part of a key, bound to one state.
type keyPath struct {
	first int         // field of the indexed type
	rest  []boundStep // the steps after it, if that is a reference
	last  state.FieldType
}

// boundStep is a field of a type of the state; the type is nil if it is not
// loaded.
type boundStep struct {
	t     *state.Type
	field int
}

// bindKey binds resolved paths to the types of s.
func bindKey(s *state.State, paths [][]state.Step) []keyPath {
	out := make([]keyPath, len(paths))
	for i, steps := range paths {
		out[i].first = steps[0].Field
		for _, step := range steps[1:] {
			out[i].rest = append(out[i].rest, boundStep{s.Type(step.Type), step.Field})
		}
		end := steps[len(steps)-1]
		out[i].last = s.Type(end.Type).Schema().Fields[end.Field].Type
	}
	return out
}

// value reads the part from r, a record of the indexed type. A null on the way,
// or a record that is not there, gives null.
func (p *keyPath) value(r state.Record) state.Value {
	field := p.first
	for _, step := range p.rest {
		o := r.Reference(field)
		if step.t == nil || !step.t.Populated(o) {
			return state.Value{}
		}
		r, field = step.t.Record(o), step.field
	}
	return r.Value(field)
}

// isNumber says whether the part is a number in the record itself.
func (p *keyPath) isNumber() bool {
	return len(p.rest) == 0 && p.last != state.String && p.last != state.Bytes
}

// hash folds the part of r into h, as hashPart does with its value.
func (p *keyPath) hash(h uint64, r state.Record) uint64 {
	if !p.isNumber() {
		return hashPart(h, p.value(r))
	}
	if r.IsNull(p.first) {
		return mix(h, hashNull)
	}
	return mix(h, r.Bits(p.first))
}

const (
	hashSeed  = 0x9e3779b97f4a7c15
	hashNull  = 0x2545f4914f6cdd1d
	hashPrime = 0xff51afd7ed558ccd
)

// mix folds one part into a hash.
func mix(h, x uint64) uint64 {
	hi, lo := bits.Mul64(h^hashPrime, x^hashSeed)
	return hi ^ lo
}

// hashPart folds a value into h. Values that samePart calls equal have equal
// hashes.
func hashPart(h uint64, v state.Value) uint64 {
	switch v.Type() {
	case 0:
		return mix(h, hashNull)
	case state.String:
		return mix(h, xxhash.Sum64(canonical(v.Data())))
	case state.Bytes:
		return mix(h, xxhash.Sum64(v.Data()))
	}
	return mix(h, v.Bits())
}

// samePart compares exactly: -0.0 is not 0.0, null is null, and a NaN is
// itself.
func samePart(a, b state.Value) bool {
	if a.Type() != b.Type() {
		return false
	}
	switch a.Type() {
	case state.String:
		return string(canonical(a.Data())) == string(canonical(b.Data()))
	case state.Bytes:
		return string(a.Data()) == string(b.Data())
	}
	return a.Bits() == b.Bits()
}

// canonical returns the one form of a text: a blob can hold well-formed text in
// odd encodings, which stay as they are in memory.
func canonical(text []byte) []byte {
	if !wire.IsRaw(text) {
		return text
	}
	units := wire.AppendUnits(nil, text)
	out := make([]byte, 0, len(text))
	for i := 0; i < len(units); i++ {
		r := rune(units[i])
		if utf16.IsSurrogate(r) && i+1 < len(units) {
			if pair := utf16.DecodeRune(r, rune(units[i+1])); pair != utf8.RuneError {
				out = utf8.AppendRune(out, pair)
				i++
				continue
			}
		}
		if utf16.IsSurrogate(r) { // as UTF-8 would have it, which no other text yields
			out = append(out, 0xe0|byte(r>>12), 0x80|byte(r>>6&0x3f), 0x80|byte(r&0x3f))
			continue
		}
		out = utf8.AppendRune(out, r)
	}
	return out
}

// noType says that a state has no type of a name that was given.
func noType(name string) error {
	return fmt.Errorf("the state has no type %s: %w", name, state.ErrNotBindable)
}

// resolveKey resolves the paths of a key, or the primary key if paths is nil.
func resolveKey(s *state.State, typeName string, paths []string) ([]string, [][]state.Step, error) {
	t := s.Type(typeName)
	if t == nil {
		return nil, nil, noType(typeName)
	}
	if paths == nil {
		paths = t.Schema().Key
	}
	if len(paths) == 0 || t.Schema().Kind != state.Object {
		return nil, nil, fmt.Errorf("%v %s has no key: %w", t.Schema().Kind, typeName, ErrKey)
	}
	steps := make([][]state.Step, len(paths))
	for i, path := range paths {
		var err error
		steps[i], err = state.ResolvePath(s.Schemas(), typeName, path)
		switch {
		case errors.Is(err, state.ErrNotBindable):
			return nil, nil, err
		case err != nil:
			return nil, nil, fmt.Errorf("%w: %w", err, ErrKey)
		}
	}
	return paths, steps, nil
}

// Hash returns a hash of a key that depends on its values only. Keys that are
// the Same in every part have the same hash. It is no checksum and no format:
// it may be another one in another release.
func Hash(key []state.Value) uint64 {
	h := uint64(hashSeed)
	for _, v := range key {
		h = hashPart(h, v)
	}
	return h
}

// Same compares two values as keys are compared: exactly. -0.0 is not 0.0, null
// is null, a NaN is itself, and a text is the same however a blob spelled it.
func Same(a, b state.Value) bool { return samePart(a, b) }

// checkKey fails with ErrKey unless a key has a value for each part, null or of
// the part's type.
func checkKey(t *state.Type, paths []string, types []state.FieldType, key []state.Value) error {
	if len(key) != len(types) {
		return fmt.Errorf("look up %s by %d values, its key has %d: %w", t.Schema().Name, len(key), len(types), ErrKey)
	}
	for i, v := range key {
		if !v.IsNull() && v.Type() != types[i] {
			return fmt.Errorf("look up %s by %v in place of %v %s: %w", t.Schema().Name, v.Type(), types[i], paths[i], ErrKey)
		}
	}
	return nil
}

// followable says whether an index of from can follow changes to next: none of
// the types that its keys are read through has another schema, and none of
// their records that stays is replaced, so that the keys of such records are the
// same.
func followable(from, next *state.State, through []string, changes state.Changes) bool {
	for _, name := range through {
		old, now := from.Type(name), next.Type(name)
		if (old == nil) != (now == nil) {
			return false
		}
		if old != nil && (!old.Schema().Equal(now.Schema()) || slices.ContainsFunc(changes[name].Added, old.Populated)) {
			return false
		}
	}
	return true
}
