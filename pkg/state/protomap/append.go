package protomap

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// binding is where the fields of a message are in one schema.
type binding struct {
	schema  *state.Schema
	columns []int // by position in typePlan.fields; -1 if the schema lacks it
}

// bind finds the fields of the message in a schema, by name.
func (p *typePlan) bind(s *state.Schema) (*binding, error) {
	if b := p.bound.Load(); b != nil && b.schema == s {
		return b, nil
	}
	if s.Kind != state.Object {
		return nil, &ValueError{Err: fmt.Errorf("type %s is a %v, message %s needs an OBJECT: %w", s.Name, s.Kind, p.desc.FullName(), ErrMismatch)}
	}
	b := &binding{s, make([]int, len(p.fields))}
	for i, f := range p.fields {
		b.columns[i] = s.FieldIndex(string(f.desc.Name()))
	}
	p.bound.Store(b)
	return b, nil
}

// Append appends r, a record of the root type, as a protobuf message, straight
// from its columns. SETs and MAPs come in content order (docs/format/mapping.md)
// so that equal records have equal bytes. Fields that the record's schema lacks
// are absent. On an error b is returned as it was.
func (m *Mapping) Append(b []byte, r state.Record) ([]byte, error) {
	e := encoder{b: b, depth: m.limits.Depth, limit: len(b) + m.limits.Size}
	if err := e.message(m.root, r); err != nil {
		return b, fmt.Errorf("encode record: %w", err)
	}
	return e.b, nil
}

type encoder struct {
	b     []byte
	depth int // levels left
	limit int // of len(b)
	spans []span
}

// span is one encoded entry of a SET or MAP, with what it is ordered by.
type span struct{ order, entry []byte }

func (e *encoder) message(plan *typePlan, r state.Record) error {
	if r.Type().Schema().Kind != state.Object && plan.wraps() {
		return e.collection(plan.fields[0], r)
	}
	bound, err := plan.bind(r.Type().Schema())
	if err != nil {
		return err
	}
	if e.depth == 0 {
		return &ValueError{Err: ErrTooDeep}
	}
	e.depth--
	for i, f := range plan.fields {
		if bound.columns[i] < 0 {
			continue
		}
		if err := e.field(f, r, bound.columns[i]); err != nil {
			return at(string(f.desc.Name()), err)
		}
		if len(e.b) > e.limit {
			return &ValueError{Err: ErrTooLarge}
		}
	}
	e.depth++
	return nil
}

func (e *encoder) field(f *fieldPlan, r state.Record, column int) error {
	if f.shape == single {
		if f.value.msg == nil {
			return e.single(f.desc, r, column)
		}
		target, ok, err := follow(r, column)
		if err != nil || !ok {
			return err
		}
		return e.nested(f.desc.Number(), func() error { return e.message(f.value.msg, target) })
	}
	target, ok, err := follow(r, column)
	if err != nil || !ok || target.Type().Schema().Kind == state.Object {
		if err == nil && ok {
			err = &ValueError{Err: fmt.Errorf("type %s is not a collection: %w", target.Type().Schema().Name, ErrMismatch)}
		}
		return err
	}
	return e.collection(f, target)
}

// wraps says whether the message only has a collection around it.
func (p *typePlan) wraps() bool { return len(p.fields) == 1 && p.fields[0].shape != single }

// collection writes the elements of a LIST, SET or MAP as a field.
func (e *encoder) collection(f *fieldPlan, target state.Record) error {
	kind := target.Type().Schema().Kind
	if kind == state.Map && f.shape == list && f.value.msg != nil && len(f.value.msg.fields) == 2 {
		return e.pairs(f, target)
	}
	if (kind == state.Map) != (f.shape == mapping) {
		return &ValueError{Err: fmt.Errorf("type %s is a %v: %w", target.Type().Schema().Name, kind, ErrMismatch)}
	}
	if target.Len() == 0 {
		return nil
	}
	if kind == state.Map {
		return e.entries(f, target)
	}
	return e.elements(f, target, kind == state.Set)
}

// follow returns the record that a REFERENCE names; ok is false if it is null.
func follow(r state.Record, column int) (target state.Record, ok bool, err error) {
	field := r.Type().Schema().Fields[column]
	if field.Type != state.Reference {
		return target, false, &ValueError{Err: fmt.Errorf("type is %v, a REFERENCE is needed: %w", field.Type, ErrMismatch)}
	}
	o := r.Reference(column)
	if o == state.NoOrdinal {
		return target, false, nil
	}
	target, err = record(r.Type().State(), field.Ref, o)
	return target, err == nil, err
}

// record returns a record that another one refers to.
func record(s *state.State, name string, o state.Ordinal) (state.Record, error) {
	t := s.Type(name)
	if t == nil {
		return state.Record{}, &ValueError{Err: fmt.Errorf("type %s is not loaded: %w", name, ErrMismatch)}
	}
	if !t.Populated(o) {
		return state.Record{}, &ValueError{Err: fmt.Errorf("%s %d, which is referred to, is no record: %w", name, o, ErrMismatch)}
	}
	return t.Record(o), nil
}

// nested writes a length-delimited field whose content f appends.
func (e *encoder) nested(n protowire.Number, f func() error) error {
	e.b = protowire.AppendTag(e.b, n, protowire.BytesType)
	start := len(e.b)
	e.b = append(e.b, 0) // most lengths take one byte
	if err := f(); err != nil {
		return err
	}
	size := len(e.b) - start - 1
	if size < 0x80 {
		e.b[start] = byte(size)
		return nil
	}
	var room [binary.MaxVarintLen64]byte
	length := binary.PutUvarint(room[:], uint64(size))
	e.b = append(e.b, room[:length-1]...)
	copy(e.b[start+length:], e.b[start+1:start+1+size])
	copy(e.b[start:], room[:length])
	return nil
}

// elements writes a repeated field from a LIST or SET.
func (e *encoder) elements(f *fieldPlan, r state.Record, sorted bool) error {
	if f.desc.IsPacked() {
		return e.nested(f.desc.Number(), func() error { return e.eachElement(f, r, sorted, true) })
	}
	return e.eachElement(f, r, sorted, false)
}

func (e *encoder) eachElement(f *fieldPlan, r state.Record, sorted, packed bool) error {
	start, mark := len(e.b), len(e.spans)
	for i := range r.Len() {
		entry := len(e.b)
		target, err := record(r.Type().State(), r.Type().Schema().Element, r.Element(i))
		if err == nil {
			err = e.element(f.value, f.desc.Number(), target, packed)
		}
		if err != nil {
			return at(fmt.Sprintf("[%d]", i), err)
		}
		if len(e.b) > e.limit {
			return &ValueError{Err: ErrTooLarge}
		}
		if sorted {
			order, err := e.order(f.value, target, e.b[entry:])
			if err != nil {
				return at(fmt.Sprintf("[%d]", i), err)
			}
			e.spans = append(e.spans, span{order, bytes.Clone(e.b[entry:])})
		}
	}
	if sorted {
		e.sort(start, mark, true)
	}
	return nil
}

// element writes one element of a repeated field, or a key or value of a map.
func (e *encoder) element(x element, n protowire.Number, r state.Record, packed bool) error {
	if x.msg != nil {
		return e.nested(n, func() error { return e.message(x.msg, r) })
	}
	if !packed {
		e.b = protowire.AppendTag(e.b, n, wireType(x.desc.Kind()))
	}
	v, err := unbox(r)
	if err != nil {
		return err
	}
	if v.IsNull() {
		return &ValueError{Err: fmt.Errorf("a collection holds a null value: %w", ErrMismatch)}
	}
	e.b, err = appendScalar(e.b, x.desc, v)
	return err
}

// entries writes a map field.
func (e *encoder) entries(f *fieldPlan, r state.Record) error {
	start, mark := len(e.b), len(e.spans)
	s := r.Type().State()
	for i := range r.Len() {
		key, value := r.Entry(i)
		entry := len(e.b)
		k, err := record(s, r.Type().Schema().Element, key)
		if err != nil {
			return err
		}
		err = e.nested(f.desc.Number(), func() error {
			if err := e.element(f.key, 1, k, false); err != nil {
				return err
			}
			v, err := record(s, r.Type().Schema().Value, value)
			if err != nil {
				return err
			}
			return e.element(f.value, 2, v, false)
		})
		if err != nil {
			return at("[]", err)
		}
		if len(e.b) > e.limit {
			return &ValueError{Err: ErrTooLarge}
		}
		order, err := e.order(f.key, k, nil)
		if err != nil {
			return err
		}
		e.spans = append(e.spans, span{order, bytes.Clone(e.b[entry:])})
	}
	e.sort(start, mark, false)
	return nil
}

// pairs writes a MAP as a list of messages with two fields, the key and the
// value, in order of their bytes.
func (e *encoder) pairs(f *fieldPlan, r state.Record) error {
	s, schema := r.Type().State(), r.Type().Schema()
	start, mark := len(e.b), len(e.spans)
	for i := range r.Len() {
		key, value := r.Entry(i)
		entry := len(e.b)
		err := e.nested(f.desc.Number(), func() error {
			for j, part := range []struct {
				typ string
				o   state.Ordinal
			}{{schema.Element, key}, {schema.Value, value}} {
				x, err := record(s, part.typ, part.o)
				if err != nil {
					return err
				}
				field := f.value.msg.fields[j]
				if err := e.element(field.value, field.desc.Number(), x, false); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return at("[]", err)
		}
		if len(e.b) > e.limit {
			return &ValueError{Err: ErrTooLarge}
		}
		own := bytes.Clone(e.b[entry:])
		e.spans = append(e.spans, span{own, own})
	}
	e.sort(start, mark, false)
	return nil
}

// order returns bytes whose order is that of the content of r: of scalars by
// value, of messages by their encoding.
func (e *encoder) order(x element, r state.Record, encoded []byte) ([]byte, error) {
	if x.msg != nil {
		return bytes.Clone(encoded), nil
	}
	v, err := unbox(r)
	if err != nil {
		return nil, err
	}
	return orderedBytes(x.desc.Kind(), v), nil
}

// sort writes the entries since mark anew, in order, from start on; distinct
// drops equal ones.
func (e *encoder) sort(start, mark int, distinct bool) {
	spans := e.spans[mark:]
	slices.SortFunc(spans, func(a, b span) int {
		if c := bytes.Compare(a.order, b.order); c != 0 {
			return c
		}
		return bytes.Compare(a.entry, b.entry)
	})
	e.b = e.b[:start]
	for i, s := range spans {
		if distinct && i > 0 && bytes.Equal(s.entry, spans[i-1].entry) {
			continue
		}
		e.b = append(e.b, s.entry...)
	}
	e.spans = e.spans[:mark]
}

// single writes a scalar field.
func (e *encoder) single(d protoreflect.FieldDescriptor, r state.Record, column int) error {
	v, err := scalarAt(r, column)
	if err != nil || v.IsNull() || !d.HasPresence() && isDefault(d, v) {
		return err
	}
	e.b = protowire.AppendTag(e.b, d.Number(), wireType(d.Kind()))
	e.b, err = appendScalar(e.b, d, v)
	return err
}
