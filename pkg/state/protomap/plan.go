package protomap

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/holdfast-data/holdfast/pkg/state"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// typePlan is how one message becomes an OBJECT.
type typePlan struct {
	desc   protoreflect.MessageDescriptor
	name   string       // of the type
	fields []*fieldPlan // in order of number, which is the order of the schema
	bound  atomic.Pointer[binding]
}

// shape is how many values a field has.
type shape uint8

const (
	single shape = iota
	list
	set
	mapping
)

// fieldPlan is how one field of a message becomes a field of an OBJECT.
type fieldPlan struct {
	desc  protoreflect.FieldDescriptor
	shape shape
	typ   string // the type of the collection, empty if single
	key   element
	value element
}

// element is one value: of a field, of a list, or of a map's keys or values.
type element struct {
	desc protoreflect.FieldDescriptor
	typ  string    // the type of the record that holds it; empty if it is inline
	msg  *typePlan // nil for a scalar

	numbers map[string]protoreflect.EnumNumber // by name; nil if it is no enum
}

// taken says what a type name stands for.
type taken struct {
	origin protoreflect.FullName // the message, or empty for a type of ours
	schema *state.Schema
}

type planner struct {
	plans map[protoreflect.FullName]*typePlan
	taken map[string]taken
	enums map[protoreflect.FullName]map[string]protoreflect.EnumNumber
}

// unmapped are well-known types whose content has no schema.
var unmapped = []protoreflect.FullName{
	"google.protobuf.Any", "google.protobuf.Struct", "google.protobuf.Value",
	"google.protobuf.ListValue", "google.protobuf.NullValue",
}

func typeName(d protoreflect.Descriptor) string {
	return strings.ReplaceAll(relativeName(d), ".", "_")
}

// relativeName is the full name without the package.
func relativeName(d protoreflect.Descriptor) string {
	name, pkg := string(d.FullName()), string(d.ParentFile().Package())
	if pkg == "" {
		return name
	}
	return strings.TrimPrefix(name, pkg+".")
}

func (p *planner) message(d protoreflect.MessageDescriptor) (*typePlan, error) {
	if plan := p.plans[d.FullName()]; plan != nil {
		return plan, nil
	}
	if slices.Contains(unmapped, d.FullName()) {
		return nil, schemaError(d, "has no fixed structure: %w", ErrUnsupported)
	}
	if d.ExtensionRanges().Len() > 0 {
		return nil, schemaError(d, "allows extensions: %w", ErrUnsupported)
	}
	plan := &typePlan{desc: d, name: typeName(d)}
	p.plans[d.FullName()] = plan
	schema := &state.Schema{Name: plan.name, Kind: state.Object}
	if err := p.take(d, schema); err != nil {
		return nil, err
	}
	for i := range d.Fields().Len() {
		f, err := p.field(d.Fields().Get(i))
		if err != nil {
			return nil, err
		}
		plan.fields = append(plan.fields, f)
	}
	slices.SortFunc(plan.fields, func(a, b *fieldPlan) int { return cmp.Compare(a.desc.Number(), b.desc.Number()) })
	for _, f := range plan.fields {
		schema.Fields = append(schema.Fields, f.column())
	}
	return plan, nil
}

// take registers the schema of a message.
func (p *planner) take(d protoreflect.MessageDescriptor, s *state.Schema) error {
	if other, ok := p.taken[s.Name]; ok {
		who := "a type that fields need"
		if other.origin != "" {
			who = "message " + string(other.origin)
		}
		return schemaError(d, "its type would be %s, which is already %s: rename one: %w", s.Name, who, ErrUnsupported)
	}
	return p.add(taken{d.FullName(), s}, d)
}

// own registers a schema that f needs besides messages.
func (p *planner) own(f protoreflect.FieldDescriptor, s *state.Schema) error {
	other, ok := p.taken[s.Name]
	if ok && other.origin != "" {
		return schemaError(f, "needs a type %s, which is already message %s: rename it: %w", s.Name, other.origin, ErrUnsupported)
	}
	if ok && !other.schema.Equal(s) {
		return schemaError(f, "needs a type %s, which another field needs with another structure: %w", s.Name, ErrUnsupported)
	}
	if ok {
		return nil
	}
	return p.add(taken{"", s}, f)
}

// add registers a schema that d needs.
func (p *planner) add(t taken, d protoreflect.Descriptor) error {
	if len(p.taken) == MaxTypes {
		return schemaError(d, "needs one more type: %w", tooComplex("a dataset has at most %d types", MaxTypes))
	}
	p.taken[t.schema.Name] = t
	return nil
}

func (p *planner) field(d protoreflect.FieldDescriptor) (*fieldPlan, error) {
	option, _ := extensionOf(d.Options(), holdfastv1.E_Field).(*holdfastv1.Field)
	f := &fieldPlan{desc: d}
	text := d.Kind() == protoreflect.StringKind || d.Kind() == protoreflect.EnumKind
	if option.GetInline() && (!text || d.Cardinality() == protoreflect.Repeated) {
		return nil, schemaError(d, "inline is for a single string or enum: %w", ErrUnsupported)
	}
	if option.GetSet() && !d.IsList() {
		return nil, schemaError(d, "set is for a repeated field: %w", ErrUnsupported)
	}
	var err error
	switch {
	case d.IsMap():
		f.shape = mapping
		if f.key, err = p.element(d.MapKey(), d, true); err != nil {
			return nil, err
		}
		if f.value, err = p.element(d.MapValue(), d, true); err != nil {
			return nil, err
		}
		f.typ = "MapOf" + f.key.typ + "To" + f.value.typ
		return f, p.own(d, &state.Schema{Name: f.typ, Kind: state.Map, Element: f.key.typ, Value: f.value.typ})
	case d.IsList():
		if f.value, err = p.element(d, d, true); err != nil {
			return nil, err
		}
		kind := state.List
		f.shape, f.typ = list, "ListOf"+f.value.typ
		if option.GetSet() {
			kind, f.shape, f.typ = state.Set, set, "SetOf"+f.value.typ
		}
		return f, p.own(d, &state.Schema{Name: f.typ, Kind: kind, Element: f.value.typ})
	}
	f.value, err = p.element(d, d, text && !option.GetInline())
	return f, err
}

// element plans one value of d, which belongs to the declared field of.
func (p *planner) element(d, of protoreflect.FieldDescriptor, boxed bool) (element, error) {
	e := element{desc: d}
	switch d.Kind() {
	case protoreflect.GroupKind:
		return e, schemaError(of, "is a group: %w", ErrUnsupported)
	case protoreflect.MessageKind:
		plan, err := p.message(d.Message())
		if err != nil {
			return e, err
		}
		e.msg, e.typ = plan, plan.name
		return e, nil
	case protoreflect.EnumKind:
		if slices.Contains(unmapped, d.Enum().FullName()) {
			return e, schemaError(of, "is a NullValue: %w", ErrUnsupported)
		}
		e.numbers = p.enumNumbers(d.Enum())
	}
	if !boxed {
		return e, nil
	}
	t := columnType(d.Kind())
	e.typ = boxNames[t]
	return e, p.own(of, &state.Schema{Name: e.typ, Kind: state.Object, Fields: []state.Field{{Name: "value", Type: t}}})
}

// enumNumbers returns the numbers by name, one map for all fields of an enum.
func (p *planner) enumNumbers(d protoreflect.EnumDescriptor) map[string]protoreflect.EnumNumber {
	if out := p.enums[d.FullName()]; out != nil {
		return out
	}
	out := make(map[string]protoreflect.EnumNumber, d.Values().Len())
	for i := range d.Values().Len() {
		out[string(d.Values().Get(i).Name())] = d.Values().Get(i).Number()
	}
	p.enums[d.FullName()] = out
	return out
}

// boxNames are the types of scalars that stand by themselves.
var boxNames = map[state.FieldType]string{
	state.Int: "Integer", state.Long: "Long", state.Boolean: "Boolean", state.Float: "Float",
	state.Double: "Double", state.String: "String", state.Bytes: "Bytes",
}

// columnType is the field type that holds a scalar.
func columnType(k protoreflect.Kind) state.FieldType {
	switch k {
	case protoreflect.BoolKind:
		return state.Boolean
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return state.Int
	case protoreflect.FloatKind:
		return state.Float
	case protoreflect.DoubleKind:
		return state.Double
	case protoreflect.StringKind, protoreflect.EnumKind:
		return state.String
	case protoreflect.BytesKind:
		return state.Bytes
	}
	return state.Long
}

// column is the field of the OBJECT.
func (f *fieldPlan) column() state.Field {
	name, ref := string(f.desc.Name()), f.typ
	if f.shape == single {
		ref = f.value.typ
	}
	if ref != "" {
		return state.Field{Name: name, Type: state.Reference, Ref: ref}
	}
	return state.Field{Name: name, Type: columnType(f.desc.Kind())}
}

// messages calls f for each field that holds messages, at any depth below p,
// in order of number, until f fails.
func (p *typePlan) messages(seen map[*typePlan]bool, f func(*fieldPlan, *typePlan) error) error {
	if seen[p] {
		return nil
	}
	seen[p] = true
	for _, field := range p.fields {
		next := field.value.msg
		if next == nil {
			continue
		}
		if err := f(field, next); err != nil {
			return err
		}
		if err := next.messages(seen, f); err != nil {
			return err
		}
	}
	return nil
}
