package state

import (
	"fmt"
	"slices"
)

// Entry is one entry of a MAP: the ordinals of its key and value.
type Entry struct{ Key, Value Ordinal }

// recordType is what a Builder or an Editor knows of one type.
type recordType interface{ own() *typeBuilder }

// adder is the part of a Builder and of an Editor that takes records.
type adder[T recordType] struct {
	schemas map[string]*Schema
	types   map[string]T
	order   []T // a type comes after those that it refers to

	add    func(T) (Ordinal, error) // adds the record whose content the type has
	closed error                    // why no record can be added now; nil if it can
	values []Ordinal                // scratch
}

// declare makes the types of the schemas.
func (a *adder[T]) declare(schemas []*Schema, make func(*Schema) T) error {
	a.schemas, a.types = map[string]*Schema{}, map[string]T{}
	for _, s := range DependencyOrder(schemas) {
		if a.schemas[s.Name] != nil {
			return fmt.Errorf("type %s is declared twice", s.Name)
		}
		t := make(s)
		a.schemas[s.Name], a.types[s.Name] = s, t
		a.order = append(a.order, t)
	}
	for _, t := range a.order {
		for _, name := range t.own().schema.References() {
			if a.schemas[name] == nil {
				return fmt.Errorf("type %s refers to type %s, which is not declared", t.own().schema.Name, name)
			}
		}
		if err := t.own().resolveHashKey(a.schemas); err != nil {
			return err
		}
	}
	return nil
}

// AddObject adds a record of an OBJECT type, its values in the order of the
// schema, and returns its ordinal. It keeps no reference to values. Errors wrap
// ErrNotStorable, ErrIllFormed or ErrDangling.
func (a *adder[T]) AddObject(typeName string, values []Value) (Ordinal, error) {
	x, t, err := a.typeOf(typeName, Object)
	if err != nil {
		return NoOrdinal, err
	}
	if len(values) != len(t.schema.Fields) {
		return NoOrdinal, fmt.Errorf("add %s: %d values for %d fields: %w", typeName, len(values), len(t.schema.Fields), ErrNotStorable)
	}
	t.content = t.content[:0]
	for f, field := range t.schema.Fields {
		if t.content, err = appendValueContent(t.content, field, values[f]); err != nil {
			return NoOrdinal, fmt.Errorf("add %s: %w", typeName, err)
		}
		if o := values[f].Reference(); field.Type == Reference && !values[f].IsNull() && !a.has(field.Ref, o) {
			return NoOrdinal, fmt.Errorf("add %s: field %s names %s %d: %w", typeName, field.Name, field.Ref, o, ErrDangling)
		}
	}
	return a.add(x)
}

// AddList adds a record of a LIST type.
func (a *adder[T]) AddList(typeName string, elements []Ordinal) (Ordinal, error) {
	return a.addElements(typeName, List, elements)
}

// AddSet adds a record of a SET type; an element that is named twice is in it
// once.
func (a *adder[T]) AddSet(typeName string, elements []Ordinal) (Ordinal, error) {
	a.values = append(a.values[:0], elements...)
	slices.Sort(a.values)
	return a.addElements(typeName, Set, slices.Compact(a.values))
}

func (a *adder[T]) addElements(typeName string, k Kind, elements []Ordinal) (Ordinal, error) {
	x, t, err := a.typeOf(typeName, k)
	if err != nil {
		return NoOrdinal, err
	}
	t.entries = t.entries[:0]
	for _, o := range elements {
		if !a.has(t.schema.Element, o) {
			return NoOrdinal, fmt.Errorf("add %s: element %s %d: %w", typeName, t.schema.Element, o, ErrDangling)
		}
		t.entries = append(t.entries, collectionEntry{element: uint32(o)})
	}
	t.content = appendEntryContent(t.content[:0], t.entries, k)
	return a.add(x)
}

// AddMap adds a record of a MAP type. A key that occurs twice is refused with
// ErrNotStorable.
func (a *adder[T]) AddMap(typeName string, entries []Entry) (Ordinal, error) {
	x, t, err := a.typeOf(typeName, Map)
	if err != nil {
		return NoOrdinal, err
	}
	t.entries = t.entries[:0]
	for _, e := range entries {
		if !a.has(t.schema.Element, e.Key) || !a.has(t.schema.Value, e.Value) {
			return NoOrdinal, fmt.Errorf("add %s: entry %s %d, %s %d: %w", typeName, t.schema.Element, e.Key, t.schema.Value, e.Value, ErrDangling)
		}
		t.entries = append(t.entries, collectionEntry{element: uint32(e.Key), value: uint32(e.Value)})
	}
	slices.SortFunc(t.entries, byElement)
	for i := 1; i < len(t.entries); i++ {
		if t.entries[i].element == t.entries[i-1].element {
			return NoOrdinal, fmt.Errorf("add %s: key %s %d occurs twice: %w", typeName, t.schema.Element, t.entries[i].element, ErrNotStorable)
		}
	}
	t.content = appendEntryContent(t.content[:0], t.entries, Map)
	return a.add(x)
}

// has says whether the version has a record.
func (a *adder[T]) has(typeName string, o Ordinal) bool { return a.types[typeName].own().has(o) }

// typeOf returns the type of that name and kind.
func (a *adder[T]) typeOf(name string, k Kind) (x T, t *typeBuilder, err error) {
	if a.closed != nil {
		return x, nil, fmt.Errorf("add record: %w", a.closed)
	}
	x, ok := a.types[name]
	if !ok || x.own().schema.Kind != k {
		return x, nil, fmt.Errorf("add record: there is no %v type %s", k, name)
	}
	return x, x.own(), nil
}
