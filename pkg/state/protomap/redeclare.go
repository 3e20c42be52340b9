package protomap

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jhump/protoreflect/v2/protoprint"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// Redeclare returns one self-contained file in package holdfast.data.NAME that
// declares the records of a dataset, with the same bytes on the wire as the
// owner's own messages, and the dataset's typed look-up service:
//
//	service RootService {
//	  rpc GetRoot(GetRootRequest) returns (Root);
//	  rpc BatchGetRoot(BatchGetRootRequest) returns (BatchGetRootResponse);
//	  rpc ListRoot(ListRootRequest) returns (stream Root);
//	}
//
// GetRootRequest holds the key's fields, numbered in order of the key. It fails
// with a *SchemaError if a message has one of the service's names.
func Redeclare(m *Mapping, n dataset.Name) (protoreflect.FileDescriptor, error) {
	r := redeclarer{
		m: m, pkg: "holdfast.data." + string(n),
		messages: map[string]*descriptorpb.DescriptorProto{},
		enums:    map[protoreflect.FullName]string{},
		values:   map[string]bool{},
		file: &descriptorpb.FileDescriptorProto{
			Syntax: new("proto3"),
		},
	}
	r.file.Name, r.file.Package = new("holdfast/data/"+string(n)+".proto"), new(r.pkg)
	if err := r.declare(); err != nil {
		return nil, fmt.Errorf("redeclare %s: %w", n, err)
	}
	file, err := protodesc.NewFile(r.file, new(protoregistry.Files))
	if err != nil {
		return nil, fmt.Errorf("redeclare %s: %w", n, err)
	}
	return file, nil
}

// Source returns the text of a file, as Redeclare gives it.
func Source(file protoreflect.FileDescriptor) (string, error) {
	p := protoprint.Printer{Indent: "  "}
	text, err := p.PrintProtoToString(file)
	if err != nil {
		return "", fmt.Errorf("print %s: %w", file.Path(), err)
	}
	return "// Declares the records of a dataset and its look-up service.\n" + strings.TrimRight(text, "\n") + "\n", nil
}

type redeclarer struct {
	m        *Mapping
	pkg      string
	file     *descriptorpb.FileDescriptorProto
	messages map[string]*descriptorpb.DescriptorProto
	enums    map[protoreflect.FullName]string // to the new full name
	values   map[string]bool                  // names of enum values at the top
}

func (r *redeclarer) declare() error {
	r.message(r.m.Root()) // a reader's way in
	for _, name := range slices.Sorted(maps.Keys(r.m.plans)) {
		plan := r.m.plans[name]
		r.message(plan.name)
	}
	for _, name := range slices.Sorted(maps.Keys(r.m.plans)) {
		plan := r.m.plans[name]
		msg := r.messages[plan.name]
		r.oneofs(plan, msg)
		for _, f := range plan.fields {
			r.field(msg, plan, f.desc)
		}
		synthetic(msg)
	}
	return r.service()
}

// message returns the new message of that name, made at the first call.
func (r *redeclarer) message(name string) *descriptorpb.DescriptorProto {
	msg := r.messages[name]
	if msg == nil {
		msg = &descriptorpb.DescriptorProto{Name: new(name)}
		r.messages[name] = msg
		r.file.MessageType = append(r.file.MessageType, msg)
	}
	return msg
}

func (r *redeclarer) oneofs(plan *typePlan, msg *descriptorpb.DescriptorProto) {
	for i := range plan.desc.Oneofs().Len() {
		if o := plan.desc.Oneofs().Get(i); !o.IsSynthetic() {
			msg.OneofDecl = append(msg.OneofDecl, &descriptorpb.OneofDescriptorProto{Name: new(string(o.Name()))})
		}
	}
}

func (r *redeclarer) field(msg *descriptorpb.DescriptorProto, plan *typePlan, d protoreflect.FieldDescriptor) {
	f := r.scalar(d, string(d.Name()), d.Number())
	msg.Field = append(msg.Field, f)
	switch {
	case d.IsMap():
		f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		f.Type = descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum()
		entry := entryName(string(d.Name()))
		f.TypeName = new("." + r.pkg + "." + plan.name + "." + entry)
		msg.NestedType = append(msg.NestedType, &descriptorpb.DescriptorProto{
			Name:    new(entry),
			Field:   []*descriptorpb.FieldDescriptorProto{r.scalar(d.MapKey(), "key", 1), r.scalar(d.MapValue(), "value", 2)},
			Options: &descriptorpb.MessageOptions{MapEntry: new(true)},
		})
	case d.IsList():
		f.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
		if packable(d.Kind()) && !d.IsPacked() {
			f.Options = &descriptorpb.FieldOptions{Packed: new(false)}
		}
	case d.ContainingOneof() != nil && !d.ContainingOneof().IsSynthetic():
		for i, o := range msg.OneofDecl {
			if o.GetName() == string(d.ContainingOneof().Name()) {
				f.OneofIndex = new(int32(i))
			}
		}
	case d.HasPresence() && d.Message() == nil:
		f.Proto3Optional = new(true)
	}
}

func packable(k protoreflect.Kind) bool {
	switch k {
	case protoreflect.StringKind, protoreflect.BytesKind, protoreflect.MessageKind, protoreflect.GroupKind:
		return false
	}
	return true
}

// synthetic gives each optional scalar the oneof that proto3 wants, after the
// real ones.
func synthetic(msg *descriptorpb.DescriptorProto) {
	for _, f := range msg.Field {
		if f.GetProto3Optional() {
			f.OneofIndex = new(int32(len(msg.OneofDecl)))
			msg.OneofDecl = append(msg.OneofDecl, &descriptorpb.OneofDescriptorProto{Name: new("_" + f.GetName())})
		}
	}
}

// entryName is the name that compilers give a map's entries.
func entryName(field string) string {
	var b strings.Builder
	up := true
	for _, c := range field {
		switch {
		case c == '_':
			up = true
		case up:
			b.WriteString(strings.ToUpper(string(c)))
			up = false
		default:
			b.WriteRune(c)
		}
	}
	return b.String() + "Entry"
}

// scalar returns a single field of d's type.
func (r *redeclarer) scalar(d protoreflect.FieldDescriptor, name string, n protoreflect.FieldNumber) *descriptorpb.FieldDescriptorProto {
	f := &descriptorpb.FieldDescriptorProto{
		Name: new(name), Number: new(int32(n)), JsonName: new(jsonName(d, name)),
		Label: descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		Type:  descriptorpb.FieldDescriptorProto_Type(d.Kind()).Enum(),
	}
	switch {
	case d.IsMap(): // the caller names the entry
	case d.Enum() != nil:
		f.TypeName = new("." + r.enum(d.Enum()))
	case d.Message() != nil:
		f.TypeName = new("." + r.pkg + "." + typeName(d.Message()))
	}
	return f
}

func jsonName(d protoreflect.FieldDescriptor, name string) string {
	if string(d.Name()) == name {
		return d.JSONName()
	}
	return strings.TrimSuffix(strings.ToLower(entryName(name)[:1])+entryName(name)[1:], "Entry")
}

// enum redeclares an enum at its first use and returns its new full name. It
// stays in its message, if that is redeclared; else it is at the top, or, if
// another enum's values stand there already, in a message of its own.
func (r *redeclarer) enum(d protoreflect.EnumDescriptor) string {
	if name := r.enums[d.FullName()]; name != "" {
		return name
	}
	e := &descriptorpb.EnumDescriptorProto{Name: new(string(d.Name())), Value: enumValues(d)}
	if aliased(e) {
		e.Options = &descriptorpb.EnumOptions{AllowAlias: new(true)}
	}
	holder := ""
	if parent, ok := d.Parent().(protoreflect.MessageDescriptor); ok {
		holder = typeName(parent)
	} else if r.taken(e) {
		holder = string(d.Name()) + "Enum"
	}
	name := r.pkg + "." + string(d.Name())
	if holder == "" {
		r.file.EnumType = append(r.file.EnumType, e)
	} else {
		name = r.pkg + "." + holder + "." + string(d.Name())
		msg := r.message(holder)
		msg.EnumType = append(msg.EnumType, e)
	}
	r.enums[d.FullName()] = name
	return name
}

// enumValues returns the values with 0 first, as proto3 wants it.
func enumValues(d protoreflect.EnumDescriptor) []*descriptorpb.EnumValueDescriptorProto {
	var zero, rest []*descriptorpb.EnumValueDescriptorProto
	for i := range d.Values().Len() {
		v := d.Values().Get(i)
		x := &descriptorpb.EnumValueDescriptorProto{Name: new(string(v.Name())), Number: new(int32(v.Number()))}
		if v.Number() == 0 {
			zero = append(zero, x)
		} else {
			rest = append(rest, x)
		}
	}
	if zero == nil {
		name := strings.ToUpper(string(d.Name())) + "_UNSPECIFIED"
		zero = append(zero, &descriptorpb.EnumValueDescriptorProto{Name: new(name), Number: new(int32(0))})
	}
	return append(zero, rest...)
}

func aliased(e *descriptorpb.EnumDescriptorProto) bool {
	seen := map[int32]bool{}
	for _, v := range e.Value {
		if seen[v.GetNumber()] {
			return true
		}
		seen[v.GetNumber()] = true
	}
	return false
}

// taken says whether a value of e has the name of another enum's at the top;
// if not, they are there from now on.
func (r *redeclarer) taken(e *descriptorpb.EnumDescriptorProto) bool {
	for _, v := range e.Value {
		if r.values[v.GetName()] {
			return true
		}
	}
	for _, v := range e.Value {
		r.values[v.GetName()] = true
	}
	return false
}

// service adds the requests, the responses and the service.
func (r *redeclarer) service() error {
	root := r.m.Root()
	name := func(verb, suffix string) string { return verb + root + suffix }
	for _, taken := range []string{name("Get", "Request"), name("BatchGet", "Request"), name("BatchGet", "Response"), name("List", "Request"), name("", "Service")} {
		if r.messages[taken] != nil {
			return schemaError(r.m.root.desc, "its look-up service needs a message %s, which the dataset has: rename it: %w", taken, ErrUnsupported)
		}
	}
	get := r.message(name("Get", "Request"))
	for i, k := range r.m.keys {
		get.Field = append(get.Field, r.scalar(k.Field(), k.Name, protoreflect.FieldNumber(i+1)))
	}
	keys := r.reference("keys", get.GetName())
	keys.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	r.message(name("BatchGet", "Request")).Field = []*descriptorpb.FieldDescriptorProto{keys}
	batch := r.message(name("BatchGet", "Response"))
	batch.NestedType = []*descriptorpb.DescriptorProto{{
		Name: new("Result"), Field: []*descriptorpb.FieldDescriptorProto{r.reference("record", root)},
	}}
	results := r.reference("results", batch.GetName()+".Result")
	results.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	batch.Field = []*descriptorpb.FieldDescriptorProto{results}
	r.message(name("List", "Request"))
	r.file.Service = []*descriptorpb.ServiceDescriptorProto{{
		Name: new(name("", "Service")),
		Method: []*descriptorpb.MethodDescriptorProto{
			r.method(name("Get", ""), root, false),
			r.method(name("BatchGet", ""), name("BatchGet", "Response"), false),
			r.method(name("List", ""), root, true),
		},
	}}
	return nil
}

func (r *redeclarer) reference(name, message string) *descriptorpb.FieldDescriptorProto {
	return &descriptorpb.FieldDescriptorProto{
		Name: new(name), Number: new(int32(1)), JsonName: new(name),
		Label:    descriptorpb.FieldDescriptorProto_LABEL_OPTIONAL.Enum(),
		Type:     descriptorpb.FieldDescriptorProto_TYPE_MESSAGE.Enum(),
		TypeName: new("." + r.pkg + "." + message),
	}
}

func (r *redeclarer) method(name, response string, stream bool) *descriptorpb.MethodDescriptorProto {
	m := &descriptorpb.MethodDescriptorProto{
		Name: new(name), InputType: new("." + r.pkg + "." + name + "Request"), OutputType: new("." + r.pkg + "." + response),
	}
	if stream {
		m.ServerStreaming = proto.Bool(true)
	}
	return m
}
