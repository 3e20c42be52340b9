package state

import (
	"encoding/binary"
	"fmt"
	"iter"
	"slices"
)

// Entry is one entry of a MAP: the ordinals of its key and value.
type Entry struct{ Key, Value Ordinal }

// recordType is what a Builder, an Editor or a Batch knows of one type.
type recordType interface {
	own() *recordMaker
	// has says whether the version has a record.
	has(Ordinal) bool
	// add adds the record whose content the recordMaker has.
	add() (Ordinal, error)
}

// recordMaker makes the contents of records of one type.
type recordMaker struct {
	schema  *Schema
	parts   []recordType // what each reference of an OBJECT, element, or key and value is to
	content []byte       // of the record under way
	entries []collectionEntry
}

func (m *recordMaker) own() *recordMaker { return m }

// references returns the references in the content of a record, 4 bytes each.
// Those of an OBJECT are ordinals + 1.
func (m *recordMaker) references(content []byte) []byte {
	if m.schema.Kind == Object {
		return content[:4*len(m.parts)]
	}
	return content
}

// adder is the part of a Builder, an Editor and a Batch that takes records.
type adder[T recordType] struct {
	schemas map[string]*Schema
	types   map[string]T
	recent  [16]namedType[T] // of types, some that were asked for
	order   []T              // a type comes after those that it refers to
	loops   int              // from which in order on that is not so
	closed  error            // why no record can be added now; nil if it can
	added   func(T)
	values  []Ordinal // scratch
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
	known := map[string]bool{}
	a.loops = len(a.order)
	for i, t := range a.order {
		m := t.own()
		for _, name := range m.schema.References() {
			child, ok := a.types[name]
			if !ok {
				return fmt.Errorf("type %s refers to type %s, which is not declared", m.schema.Name, name)
			}
			m.parts = append(m.parts, child)
			if !known[name] {
				a.loops = min(a.loops, i)
			}
		}
		known[m.schema.Name] = true
	}
	return nil
}

// AddObject adds a record of an OBJECT type, its values in the order of the
// schema, and returns its ordinal. It keeps no reference to values. Errors wrap
// ErrNotStorable, ErrIllFormed or ErrDangling.
func (a *adder[T]) AddObject(typeName string, values []Value) (Ordinal, error) {
	t, m, err := a.typeOf(typeName, Object)
	if err != nil {
		return NoOrdinal, err
	}
	if len(values) != len(m.schema.Fields) {
		return NoOrdinal, fmt.Errorf("add %s: %d values for %d fields: %w", typeName, len(values), len(m.schema.Fields), ErrNotStorable)
	}
	if err := m.setObject(values); err != nil {
		return NoOrdinal, fmt.Errorf("add %s: %w", typeName, err)
	}
	return a.add(t)
}

// setObject makes the content of an OBJECT.
func (m *recordMaker) setObject(values []Value) (err error) {
	b, part := m.content[:0], 0
	if len(m.parts) > 0 {
		for f := range m.schema.Fields {
			if m.schema.Fields[f].Type != Reference {
				continue
			}
			if b, err = m.appendReference(b, &m.schema.Fields[f], part, values[f]); err != nil {
				return err
			}
			part++
		}
	}
	for f := range m.schema.Fields {
		if m.schema.Fields[f].Type == Reference {
			continue
		}
		if b, err = appendValueContent(b, &m.schema.Fields[f], values[f]); err != nil {
			return err
		}
	}
	m.content = b
	return nil
}

func (m *recordMaker) appendReference(b []byte, f *Field, part int, v Value) ([]byte, error) {
	if v.IsNull() {
		return binary.LittleEndian.AppendUint32(b, 0), nil
	}
	if v.kind != Reference {
		return b, wrongType(f, v)
	}
	o := v.Reference()
	if !m.parts[part].has(o) {
		return b, fmt.Errorf("field %s names %s %d: %w", f.Name, f.Ref, o, ErrDangling)
	}
	return binary.LittleEndian.AppendUint32(b, uint32(o)+1), nil
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
	t, m, err := a.typeOf(typeName, k)
	if err != nil {
		return NoOrdinal, err
	}
	m.content = m.content[:0]
	for _, o := range elements {
		if !m.parts[0].has(o) {
			return NoOrdinal, fmt.Errorf("add %s: element %s %d: %w", typeName, m.schema.Element, o, ErrDangling)
		}
		m.content = binary.LittleEndian.AppendUint32(m.content, uint32(o))
	}
	return a.add(t)
}

// AddMap adds a record of a MAP type. A key that occurs twice is refused with
// ErrNotStorable.
func (a *adder[T]) AddMap(typeName string, entries []Entry) (Ordinal, error) {
	t, m, err := a.typeOf(typeName, Map)
	if err != nil {
		return NoOrdinal, err
	}
	m.entries = m.entries[:0]
	for _, e := range entries {
		if !m.parts[0].has(e.Key) || !m.parts[1].has(e.Value) {
			return NoOrdinal, fmt.Errorf("add %s: entry %s %d, %s %d: %w", typeName, m.schema.Element, e.Key, m.schema.Value, e.Value, ErrDangling)
		}
		m.entries = append(m.entries, collectionEntry{element: uint32(e.Key), value: uint32(e.Value)})
	}
	slices.SortFunc(m.entries, byElement)
	m.content = m.content[:0]
	for i, e := range m.entries {
		if i > 0 && e.element == m.entries[i-1].element {
			return NoOrdinal, fmt.Errorf("add %s: key %s %d occurs twice: %w", typeName, m.schema.Element, e.element, ErrNotStorable)
		}
		m.content = binary.LittleEndian.AppendUint32(m.content, e.element)
		m.content = binary.LittleEndian.AppendUint32(m.content, e.value)
	}
	return a.add(t)
}

// add adds the record whose content t has.
func (a *adder[T]) add(t T) (Ordinal, error) {
	o, err := t.add()
	if err == nil && a.added != nil {
		a.added(t)
	}
	return o, err
}

// typeOf returns the type of that name and kind.
func (a *adder[T]) typeOf(name string, k Kind) (t T, m *recordMaker, err error) {
	if a.closed != nil {
		return t, nil, fmt.Errorf("add record: %w", a.closed)
	}
	t, ok := a.find(name)
	if !ok || t.own().schema.Kind != k {
		return t, nil, fmt.Errorf("add record: there is no %v type %s", k, name)
	}
	return t, t.own(), nil
}

// namedType is a type with its name.
type namedType[T recordType] struct {
	name string
	t    T
}

// find returns the type of that name. Records of few types come again and again,
// so that it is mostly found without a hash.
func (a *adder[T]) find(name string) (t T, ok bool) {
	if name == "" {
		return t, false
	}
	recent := &a.recent[(len(name)+int(name[0])+3*int(name[len(name)-1]))%len(a.recent)]
	if recent.name == name {
		return recent.t, true
	}
	if t, ok = a.types[name]; ok {
		*recent = namedType[T]{name, t}
	}
	return t, ok
}

// objectsFirst yields the types in the order in which they are built: hash keys of SETs
// and MAPs lead through OBJECTs, whatever refers to what.
func (a *adder[T]) objectsFirst() iter.Seq[T] {
	return func(yield func(T) bool) {
		for _, objects := range []bool{true, false} {
			for _, t := range a.order {
				if (t.own().schema.Kind == Object) == objects && !yield(t) {
					return
				}
			}
		}
	}
}
