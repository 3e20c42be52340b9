package protomap

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// A Sink takes records, which are deduplicated by content, and names each by an
// ordinal. state.Builder and state.Batch are ones. It must not keep the slices it
// is given.
type Sink interface {
	AddObject(typeName string, values []state.Value) (state.Ordinal, error)
	AddList(typeName string, elements []state.Ordinal) (state.Ordinal, error)
	AddSet(typeName string, elements []state.Ordinal) (state.Ordinal, error)
	AddMap(typeName string, entries []state.Entry) (state.Ordinal, error)
}

// Add puts msg, a message of the root type, into sink and returns the ordinal
// of its record. What the format cannot hold is refused with a *ValueError;
// sub-records that were added by then stay in the sink, unreferenced.
func (m *Mapping) Add(sink Sink, msg protoreflect.Message) (state.Ordinal, error) {
	own, err := m.own(msg)
	if err != nil {
		return state.NoOrdinal, fmt.Errorf("add record: %w", err)
	}
	a := adder{sink: sink, limit: min(m.limits.Depth, state.MaxDepth), chain: state.MaxDepth}
	a.depth = a.limit
	o, err := a.message(m.root, own)
	if err == nil {
		err = m.answerable(own, a.bound)
	}
	if err != nil {
		return state.NoOrdinal, fmt.Errorf("add record: %w", err)
	}
	return o, nil
}

// answerable refuses a record that no look-up could answer. bound is at least
// its encoded size, which takes as long to know as to encode it.
func (m *Mapping) answerable(msg protoreflect.Message, bound int) error {
	if bound <= m.limits.Size {
		return nil
	}
	if size := proto.Size(msg.Interface()); size > m.limits.Size {
		return &ValueError{Err: fmt.Errorf("%w, this has %d: split it into several records", tooLarge(m.limits.Size), size)}
	}
	return nil
}

// own returns msg as a message of the mapping's own descriptor.
func (m *Mapping) own(msg protoreflect.Message) (protoreflect.Message, error) {
	if msg.Descriptor() == m.root.desc {
		return msg, nil
	}
	if msg.Descriptor().FullName() != m.root.desc.FullName() {
		return nil, fmt.Errorf("message is a %s, not a %s: %w", msg.Descriptor().FullName(), m.root.desc.FullName(), ErrMismatch)
	}
	b, err := proto.Marshal(msg.Interface())
	if err != nil {
		return nil, err
	}
	own := dynamicpb.NewMessage(m.root.desc)
	return own, proto.Unmarshal(b, own)
}

type adder struct {
	sink   Sink
	limit  int           // levels of messages
	depth  int           // of them left
	chain  int           // records left, as state.MaxDepth counts them
	bound  int           // the encoded size is not more
	values []state.Value // a stack: the values of the records being made
}

func (a *adder) message(plan *typePlan, msg protoreflect.Message) (state.Ordinal, error) {
	if a.depth == 0 {
		return state.NoOrdinal, &ValueError{Err: tooDeep(a.limit)}
	}
	if err := a.down(); err != nil {
		return state.NoOrdinal, err
	}
	if len(msg.GetUnknown()) > 0 {
		return state.NoOrdinal, &ValueError{Err: fmt.Errorf("message has fields that %s does not declare: %w", plan.desc.FullName(), ErrUnsupported)}
	}
	a.depth--
	start := len(a.values)
	for _, f := range plan.fields {
		v, err := a.field(f, msg)
		if err != nil {
			return state.NoOrdinal, at(string(f.desc.Name()), err)
		}
		a.values = append(a.values, v)
	}
	o, err := a.sink.AddObject(plan.name, a.values[start:])
	a.values = a.values[:start]
	a.depth++
	a.chain++
	return o, err
}

// down counts a record on the chain of records, and what stands before its
// content when it is encoded.
func (a *adder) down() error {
	if a.chain == 0 {
		return &ValueError{Err: tooDeep(state.MaxDepth)}
	}
	a.chain--
	a.bound += overhead
	return nil
}

// overhead is the most that encoding adds to the bytes of a text or a message,
// and no number takes more: a field's number, ten bytes of number or length.
const overhead = 5 + 10

func (a *adder) field(f *fieldPlan, msg protoreflect.Message) (state.Value, error) {
	if f.shape != single {
		return reference(a.collection(f, msg))
	}
	if f.desc.HasPresence() && !msg.Has(f.desc) {
		return state.Null(), nil
	}
	v := msg.Get(f.desc)
	if f.value.typ != "" {
		return reference(a.element(&f.value, v))
	}
	a.bound += overhead + dataLen(v)
	return scalarValue(f.desc, v)
}

// dataLen is the length of a text or bytes.
func dataLen(v protoreflect.Value) int {
	switch x := v.Interface().(type) {
	case string:
		return len(x)
	case []byte:
		return len(x)
	}
	return 0
}

func reference(o state.Ordinal, err error) (state.Value, error) {
	if err != nil {
		return state.Null(), err
	}
	return state.ReferenceValue(o), nil
}

// element makes a record of one value.
func (a *adder) element(e *element, v protoreflect.Value) (state.Ordinal, error) {
	if e.msg != nil {
		return a.message(e.msg, v.Message())
	}
	s, err := scalarValue(e.desc, v)
	if err == nil {
		err = a.down()
	}
	if err != nil {
		return state.NoOrdinal, err
	}
	a.chain++
	a.bound += dataLen(v)
	start := len(a.values)
	a.values = append(a.values, s)
	o, err := a.sink.AddObject(e.typ, a.values[start:])
	a.values = a.values[:start]
	return o, err
}

func (a *adder) collection(f *fieldPlan, msg protoreflect.Message) (o state.Ordinal, err error) {
	if err := a.down(); err != nil {
		return state.NoOrdinal, err
	}
	if f.shape == mapping {
		o, err = a.mapOf(f, msg.Get(f.desc).Map())
	} else {
		o, err = a.listOf(f, msg.Get(f.desc).List())
	}
	a.chain++
	return o, err
}

func (a *adder) listOf(f *fieldPlan, l protoreflect.List) (state.Ordinal, error) {
	ordinals := make([]state.Ordinal, l.Len())
	for i := range ordinals {
		o, err := a.element(&f.value, l.Get(i))
		if err != nil {
			return state.NoOrdinal, at("["+strconv.Itoa(i)+"]", err)
		}
		ordinals[i] = o
	}
	if f.shape == set {
		slices.Sort(ordinals)
		return a.sink.AddSet(f.typ, slices.Compact(ordinals))
	}
	return a.sink.AddList(f.typ, ordinals)
}

// mapOf adds entries in order of their keys, so that the same message leads to
// the same ordinals.
func (a *adder) mapOf(f *fieldPlan, m protoreflect.Map) (state.Ordinal, error) {
	keys := make([]protoreflect.MapKey, 0, m.Len())
	m.Range(func(k protoreflect.MapKey, _ protoreflect.Value) bool {
		keys = append(keys, k)
		return true
	})
	slices.SortFunc(keys, compareMapKeys)
	entries := make([]state.Entry, len(keys))
	for i, k := range keys {
		a.bound += overhead // the entry is a message
		key, err := a.element(&f.key, k.Value())
		if err != nil {
			return state.NoOrdinal, at(keyStep(k), err)
		}
		value, err := a.element(&f.value, m.Get(k))
		if err != nil {
			return state.NoOrdinal, at(keyStep(k), err)
		}
		entries[i] = state.Entry{Key: key, Value: value}
	}
	return a.sink.AddMap(f.typ, entries)
}

func keyStep(k protoreflect.MapKey) string {
	if text, ok := k.Interface().(string); ok {
		return "[" + strconv.Quote(text) + "]"
	}
	return "[" + k.String() + "]"
}

func compareMapKeys(a, b protoreflect.MapKey) int {
	switch x := a.Interface().(type) {
	case string:
		return cmp.Compare(x, b.String())
	case bool:
		return cmp.Compare(boolRank(x), boolRank(b.Bool()))
	case int32, int64:
		return cmp.Compare(a.Int(), b.Int())
	}
	return cmp.Compare(a.Uint(), b.Uint())
}

func boolRank(v bool) int {
	if v {
		return 1
	}
	return 0
}

// scalarValue returns the value of a scalar of kind d, unless the format cannot
// hold it.
func scalarValue(d protoreflect.FieldDescriptor, v protoreflect.Value) (state.Value, error) {
	switch d.Kind() {
	case protoreflect.BoolKind:
		return state.BoolValue(v.Bool()), nil
	case protoreflect.FloatKind:
		return state.FloatValue(float32(v.Float())), holdable(!math.IsNaN(v.Float()), "NaN")
	case protoreflect.DoubleKind:
		return state.DoubleValue(v.Float()), holdable(!math.IsNaN(v.Float()), "NaN")
	case protoreflect.StringKind:
		if !utf8.ValidString(v.String()) {
			return state.Null(), &ValueError{Err: state.ErrIllFormed}
		}
		return state.StringValue(v.String()), nil
	case protoreflect.BytesKind:
		return state.BytesValue(bytes.Clone(v.Bytes())), nil
	case protoreflect.EnumKind:
		name := d.Enum().Values().ByNumber(v.Enum())
		if name == nil {
			return state.Null(), &ValueError{Err: fmt.Errorf("%s %d: %w", d.Enum().FullName(), v.Enum(), ErrUnnamedEnum)}
		}
		return state.StringValue(string(name.Name())), nil
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return state.IntValue(int32(v.Int())), holdable(v.Int() != math.MinInt32, v)
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return state.LongValue(v.Int()), holdable(v.Int() != math.MinInt64, v)
	}
	return state.LongValue(int64(v.Uint())), holdable(v.Uint() != 1<<63, v) // by its bits
}

func holdable(ok bool, v any) error {
	if ok {
		return nil
	}
	return &ValueError{Err: fmt.Errorf("%v: %w (it is Hollow's null: -2^31, -2^63, so uint64 2^63, and NaN are)", v, state.ErrNotStorable)}
}
