package state

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// resolveHashKey resolves the hash key of a SET or MAP. A key that cannot be
// bound counts as none, as in Hollow.
func (t *typeBuilder) resolveHashKey(schemas map[string]*Schema) error {
	if t.schema.Kind == Object {
		return nil
	}
	for _, path := range t.schema.Key {
		steps, err := ResolvePath(schemas, t.schema.Element, path)
		if errors.Is(err, ErrNotBindable) {
			t.hash = nil
			return nil
		}
		if err != nil {
			return fmt.Errorf("resolve hash key of type %s: %w", t.schema.Name, err)
		}
		t.hash = append(t.hash, steps)
	}
	return nil
}

// place gives the entries of a SET or MAP, which are in ascending order, their
// buckets as Java does, and orders them by bucket.
func (t *typeBuilder) place(list []collectionEntry, types map[string]*Type) error {
	size := uint32(wire.TableSize(uint64(len(list))))
	taken := make([]uint64, (size+63)/64)
	for i := range list {
		h := wire.HashInt(int32(list[i].element))
		if t.hash != nil {
			var err error
			if h, err = t.keyHash(Ordinal(list[i].element), types); err != nil {
				return err
			}
		}
		at := uint32(h) & (size - 1)
		for taken[at/64]>>(at%64)&1 != 0 {
			at = (at + 1) & (size - 1)
		}
		taken[at/64] |= 1 << (at % 64)
		list[i].bucket = at
	}
	slices.SortFunc(list, func(a, b collectionEntry) int { return cmp.Compare(a.bucket, b.bucket) })
	return nil
}

// keyHash returns the hash of an element's or key's hash key.
func (t *typeBuilder) keyHash(o Ordinal, types map[string]*Type) (int32, error) {
	var h int32
	for _, steps := range t.hash {
		v, err := followBuilt(types, o, steps)
		if err != nil {
			return 0, fmt.Errorf("hash element %d of type %s: %w", o, t.schema.Name, err)
		}
		h = h*31 ^ wire.HashInt(v)
	}
	return h, nil
}

// followBuilt walks a path through types that are not in a state yet and
// returns the hash input of the field at its end.
func followBuilt(types map[string]*Type, o Ordinal, steps []Step) (int32, error) {
	for i, step := range steps {
		t := types[step.Type]
		field := t.schema.Fields[step.Field]
		r := t.Record(o)
		v := r.Value(step.Field)
		if i == len(steps)-1 {
			return hashInput(field, v)
		}
		if v.IsNull() {
			return 0, fmt.Errorf("field %s.%s of its hash key is null: %w", step.Type, field.Name, ErrNotStorable)
		}
		o = v.Reference()
	}
	return 0, nil
}

// hashInput returns what Hollow mixes into a key hash for a field's value.
func hashInput(f Field, v Value) (int32, error) {
	if v.IsNull() {
		if f.Type.variable() || f.Type == Reference {
			return 0, fmt.Errorf("field %s of its hash key is null: %w", f.Name, ErrNotStorable)
		}
		x := nullBits(f.Type)
		return int32(uint32(x ^ x>>32)), nil
	}
	switch f.Type {
	case Long, Double:
		return int32(uint32(v.num ^ v.num>>32)), nil
	case Boolean:
		if v.Bool() {
			return 1231, nil
		}
		return 1237, nil
	case String:
		return wire.JavaHash(wire.AppendUnits(nil, v.Data())), nil
	case Bytes:
		return wire.Murmur(v.Data()), nil
	}
	return int32(uint32(v.num)), nil
}
