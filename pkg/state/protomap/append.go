package protomap

import (
	"encoding/binary"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"

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
	return m.AppendWithin(b, r, nil)
}

// A Room is asked for memory before it is taken.
type Room interface {
	// Grow is told how many bytes a message takes from now on, together with the
	// buffer that it is copied from. An error ends the message.
	Grow(bytes int) error
}

// unasked is what a message may have before a Room is asked.
const unasked = 64 << 10

// AppendWithin is Append for a message that must not take all the memory that
// Limits.Size allows, because others are made at the same time: beyond 64 KiB
// room is asked each time that b has to grow. A nil room allows everything.
func (m *Mapping) AppendWithin(b []byte, r state.Record, room Room) ([]byte, error) {
	e := m.encoders.Get().(*encoder)
	e.b, e.limits, e.depth, e.most, e.room = b, m.limits, m.limits.Depth, len(b)+m.limits.Size, room
	if e.limit = e.most; room != nil {
		e.limit = min(e.most, len(b)+unasked)
	}
	err := e.message(m.root, r)
	out := e.b
	if e.b, e.room = nil, nil; cap(e.scratch) < 1<<20 && cap(e.ordinals) < 1<<18 { // one huge record is not kept for
		e.spans, e.scratch, e.ordinals = e.spans[:0], e.scratch[:0], e.ordinals[:0]
		m.encoders.Put(e)
	}
	if err != nil {
		return b, fmt.Errorf("encode record: %w", err)
	}
	return out, nil
}

// encoder writes one record. Those of a Mapping are used again.
type encoder struct {
	b       []byte
	limits  Limits
	depth   int // levels left
	most    int // of len(b)
	limit   int // of len(b) before room is asked, or most
	room    Room
	spans   []span
	scratch []byte

	ordinals []state.Ordinal // of the collections under way, one behind the other
}

func (e *encoder) message(plan *typePlan, r state.Record) error {
	if e.depth == 0 {
		return &ValueError{Err: tooDeep(e.limits.Depth)}
	}
	e.depth--
	err := e.content(plan, r)
	e.depth++
	return err
}

func (e *encoder) content(plan *typePlan, r state.Record) error {
	if r.Type().Schema().Kind != state.Object && plan.wraps() {
		return e.collection(plan.fields[0], r)
	}
	bound, err := plan.bind(r.Type().Schema())
	if err != nil {
		return err
	}
	for i, f := range plan.fields {
		if bound.columns[i] < 0 {
			continue
		}
		if err := e.field(f, r, bound.columns[i]); err != nil {
			return at(string(f.desc.Name()), err)
		}
		if err := e.fit(0); err != nil {
			return err
		}
	}
	return nil
}

func (e *encoder) field(f *fieldPlan, r state.Record, column int) error {
	if f.shape == single && f.value.msg == nil {
		return e.single(&f.value, r, column)
	}
	target, ok, err := follow(r, column)
	if err != nil || !ok {
		return err
	}
	if f.shape == single {
		return e.nested(f.desc.Number(), f.value.msg, target)
	}
	if s := target.Type().Schema(); s.Kind == state.Object {
		return &ValueError{Err: fmt.Errorf("type %s is not a collection: %w", s.Name, ErrMismatch)}
	}
	return e.collection(f, target)
}

// wraps says whether the message only has a collection around it.
func (p *typePlan) wraps() bool { return len(p.fields) == 1 && p.fields[0].shape != single }

// collection writes the elements of a LIST, SET or MAP as a field.
func (e *encoder) collection(f *fieldPlan, target state.Record) error {
	kind := target.Type().Schema().Kind
	asPairs := kind == state.Map && f.shape == list && f.value.msg != nil && len(f.value.msg.fields) == 2
	switch {
	case !asPairs && (kind == state.Map) != (f.shape == mapping):
		return &ValueError{Err: fmt.Errorf("type %s is a %v: %w", target.Type().Schema().Name, kind, ErrMismatch)}
	case target.Len() == 0:
		return nil
	case kind == state.Map:
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
	return recordOf(s.Type(name), name, o)
}

// elementType returns the type of a LIST's or SET's elements, nil if it is not
// loaded.
func elementType(r state.Record) *state.Type {
	return r.Type().State().Type(r.Type().Schema().Element)
}

// recordOf is record with the type of that name, which may be nil.
func recordOf(t *state.Type, name string, o state.Ordinal) (state.Record, error) {
	if t == nil {
		return state.Record{}, &ValueError{Err: fmt.Errorf("type %s is not loaded: %w", name, ErrMismatch)}
	}
	if !t.Populated(o) {
		return state.Record{}, &ValueError{Err: fmt.Errorf("%s %d, which is referred to, is no record: %w", name, o, ErrMismatch)}
	}
	return t.Record(o), nil
}

// open begins a length-delimited field, close ends the one that began there.
func (e *encoder) open(n protowire.Number) (start int) {
	e.b = protowire.AppendTag(e.b, n, protowire.BytesType)
	e.b = append(e.b, 0) // most lengths take one byte
	return len(e.b)
}

func (e *encoder) close(start int) {
	size := len(e.b) - start
	var room [binary.MaxVarintLen64]byte
	length := binary.PutUvarint(room[:], uint64(size))
	if length > 1 {
		e.b = append(e.b, room[1:length]...) // only to make room
		copy(e.b[start-1+length:], e.b[start:start+size])
	}
	copy(e.b[start-1:], room[:length])
}

// nested writes a message as a field.
func (e *encoder) nested(n protowire.Number, plan *typePlan, r state.Record) error {
	start := e.open(n)
	if err := e.message(plan, r); err != nil {
		return err
	}
	e.close(start)
	return nil
}

// elements writes a repeated field from a LIST or SET.
func (e *encoder) elements(f *fieldPlan, r state.Record, sorted bool) error {
	packed, start := f.desc.IsPacked(), 0
	if packed {
		start = e.open(f.desc.Number())
	}
	group := e.group()
	mark := len(e.ordinals)
	e.ordinals = r.AppendElements(e.ordinals)
	of, list := elementType(r), e.ordinals[mark:]
	if of != nil {
		of.Prefetch(list)
	}
	for i, o := range list {
		entry := len(e.b)
		target, err := recordOf(of, r.Type().Schema().Element, o)
		if err == nil {
			err = e.element(&f.value, f.desc.Number(), target, packed)
		}
		if err == nil && sorted {
			err = e.span(entry, &f.value, target)
		}
		if err != nil {
			return at("["+strconv.Itoa(i)+"]", err)
		}
		if err := e.fit(0); err != nil {
			return err
		}
	}
	e.ordinals = e.ordinals[:mark]
	if sorted {
		e.sort(group, true)
	}
	if packed {
		e.close(start)
	}
	return nil
}

// element writes one element of a repeated field, or a key or value of a map.
func (e *encoder) element(x *element, n protowire.Number, r state.Record, packed bool) error {
	if x.msg != nil {
		return e.nested(n, x.msg, r)
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
	if err := x.fits(v); err != nil {
		return err
	}
	if err := e.fit(x.length(v)); err != nil {
		return err
	}
	e.b, err = x.appendScalar(e.b, v)
	return err
}

// entries writes a MAP: as a map field, in order of its keys, or as a list of
// messages with two fields, the key and the value, in order of their bytes.
func (e *encoder) entries(f *fieldPlan, r state.Record) error {
	keyField, valueField := &f.key, &f.value
	n, m := protowire.Number(1), protowire.Number(2)
	if f.shape != mapping {
		pair := f.value.msg.fields
		keyField, valueField = &pair[0].value, &pair[1].value
		n, m = pair[0].desc.Number(), pair[1].desc.Number()
	}
	group := e.group()
	s, schema := r.Type().State(), r.Type().Schema()
	for i := range r.Len() {
		key, value := r.Entry(i)
		entry := len(e.b)
		k, err := record(s, schema.Element, key)
		if err != nil {
			return err
		}
		v, err := record(s, schema.Value, value)
		if err != nil {
			return err
		}
		start := e.open(f.desc.Number())
		if err := e.element(keyField, n, k, false); err != nil {
			return at("[key of "+schema.Name+"]", err)
		}
		if err := e.element(valueField, m, v, false); err != nil {
			return at(entryStep(k), err)
		}
		e.close(start)
		if err := e.fit(0); err != nil {
			return err
		}
		ordered := keyField
		if f.shape != mapping {
			ordered = &f.value
		}
		if err := e.span(entry, ordered, k); err != nil {
			return err
		}
	}
	e.sort(group, false)
	return nil
}

// entryStep names a map's entry in the path of an error.
func entryStep(key state.Record) string {
	v, err := unbox(key)
	switch {
	case err != nil:
		return "[" + key.Type().Schema().Name + "]"
	case v.Type() == state.String:
		return "[" + strconv.Quote(v.String()) + "]"
	}
	return "[" + v.String() + "]"
}

// single writes a scalar field.
func (e *encoder) single(x *element, r state.Record, column int) error {
	v, err := scalarAt(r, column)
	if err != nil || v.IsNull() {
		return err
	}
	if err := x.fits(v); err != nil || !x.desc.HasPresence() && x.isDefault(v) {
		return err
	}
	if err := e.fit(x.length(v)); err != nil {
		return err
	}
	e.b = protowire.AppendTag(e.b, x.desc.Number(), wireType(x.desc.Kind()))
	e.b, err = x.appendScalar(e.b, v)
	return err
}

// fit says whether a value of n bytes may follow, whose tag does not count: one
// of many short ones is found by the next.
func (e *encoder) fit(n int) error {
	if len(e.b)+n <= e.limit {
		return nil
	}
	return e.grow(len(e.b) + n)
}

// grow makes room for size bytes and a quarter more, if there may be so many.
func (e *encoder) grow(size int) error {
	if size > e.most {
		return &ValueError{Err: tooLarge(e.limits.Size)}
	}
	next := min(size+size/4, e.most)
	if next > cap(e.b) {
		if err := e.room.Grow(cap(e.b) + next); err != nil {
			return err
		}
		e.b = append(make([]byte, 0, next), e.b...)
	}
	e.limit = next
	return nil
}
