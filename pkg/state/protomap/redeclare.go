package protomap

import (
	"fmt"
	"maps"
	"slices"
	"strings"

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
		holders:  map[protoreflect.FullName]string{},
		taken:    map[string]bool{},
		file: &descriptorpb.FileDescriptorProto{
			Syntax: new("proto3"),
		},
	}
	r.file.Name, r.file.Package = new("holdfast/data/"+string(n)+".proto"), new(r.pkg)
	// Go's generator wants one; those who use it set their own by its M option.
	r.file.Options = &descriptorpb.FileOptions{GoPackage: new("holdfast/data/" + string(n) + "pb")}
	if err := r.declare(); err != nil {
		return nil, fmt.Errorf("redeclare %s: %w", n, err)
	}
	file, err := protodesc.NewFile(r.file, new(protoregistry.Files))
	if err != nil {
		return nil, fmt.Errorf("redeclare %s: %w", n, err)
	}
	return file, nil
}

type redeclarer struct {
	m        *Mapping
	pkg      string
	file     *descriptorpb.FileDescriptorProto
	messages map[string]*descriptorpb.DescriptorProto
	enums    map[protoreflect.FullName]string // to the new full name
	holders  map[protoreflect.FullName]string // messages that only hold enums, by the owner's
	taken    map[string]bool                  // names of messages, enums, their values and the service
}

func (r *redeclarer) declare() error {
	if err := r.reserve(); err != nil {
		return err
	}
	r.message(r.m.Root()) // a reader's way in
	for _, name := range slices.Sorted(maps.Keys(r.m.plans)) {
		plan := r.m.plans[name]
		r.message(plan.name)
	}
	for _, name := range slices.Sorted(maps.Keys(r.m.plans)) {
		plan := r.m.plans[name]
		msg := r.messages[plan.name]
		r.oneofs(plan, msg)
		for _, f := range inOneofs(plan.fields) {
			r.field(msg, plan, f.desc)
		}
	}
	for _, msg := range r.file.MessageType { // now that all their enums are there
		synthetic(msg)
	}
	r.service()
	return nil
}

// reserve takes the names that cannot be chosen.
func (r *redeclarer) reserve() error {
	for _, plan := range r.m.plans {
		r.taken[plan.name] = true
	}
	for _, name := range []string{r.name("Get", "Request"), r.name("BatchGet", "Request"), r.name("BatchGet", "Response"), r.name("List", "Request"), r.name("", "Service")} {
		if r.taken[name] {
			return schemaError(r.m.root.desc, "its look-up service needs the name %s, which a message of the dataset has: rename it: %w", name, ErrUnsupported)
		}
		r.taken[name] = true
	}
	return nil
}

// name returns a name made of the root type's.
func (r *redeclarer) name(verb, suffix string) string { return verb + r.m.Root() + suffix }

// free takes the first free name that begins so.
func (r *redeclarer) free(name string) string {
	for r.taken[name] {
		name += "_"
	}
	r.taken[name] = true
	return name
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

// inOneofs returns the fields, which are by number, with those of a oneof
// together, as a declaration needs them.
func inOneofs(fields []*fieldPlan) []*fieldPlan {
	var out []*fieldPlan
	done := map[protoreflect.FullName]bool{}
	for _, f := range fields {
		o := f.desc.ContainingOneof()
		if o == nil {
			out = append(out, f)
			continue
		}
		if done[o.FullName()] {
			continue
		}
		done[o.FullName()] = true
		for _, g := range fields {
			if x := g.desc.ContainingOneof(); x != nil && x.FullName() == o.FullName() {
				out = append(out, g)
			}
		}
	}
	return out
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
		f.OneofIndex = new(int32(d.ContainingOneof().Index())) // synthetic ones come last
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
// real ones, with the name that compilers give it.
func synthetic(msg *descriptorpb.DescriptorProto) {
	taken := map[string]bool{}
	for _, f := range msg.Field {
		taken[f.GetName()] = true
	}
	for _, o := range msg.OneofDecl {
		taken[o.GetName()] = true
	}
	for _, nested := range msg.NestedType {
		taken[nested.GetName()] = true
	}
	for _, e := range msg.EnumType {
		taken[e.GetName()] = true
		for _, v := range e.Value {
			taken[v.GetName()] = true
		}
	}
	for _, f := range msg.Field {
		if !f.GetProto3Optional() {
			continue
		}
		name := "_" + strings.TrimPrefix(f.GetName(), "_")
		for taken[name] {
			name = "X" + name
		}
		taken[name] = true
		f.OneofIndex = new(int32(len(msg.OneofDecl)))
		msg.OneofDecl = append(msg.OneofDecl, &descriptorpb.OneofDescriptorProto{Name: new(name)})
	}
}

// usualJSONName is the name in JSON that compilers give a field.
func usualJSONName(field string) string {
	var b strings.Builder
	up := false
	for _, c := range []byte(field) {
		if up && 'a' <= c && c <= 'z' {
			c -= 'a' - 'A'
		}
		if up = c == '_'; !up {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// entryName is the name that compilers give a map's entries.
func entryName(field string) string {
	name := usualJSONName(field)
	if name == "" {
		return "Entry"
	}
	return strings.ToUpper(name[:1]) + name[1:] + "Entry"
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
	return usualJSONName(name)
}

// enum redeclares an enum at its first use and returns its new full name. It
// stays in its message, if that is redeclared; else it is at the top or, if a
// name of it is taken there, in a message of its own.
func (r *redeclarer) enum(d protoreflect.EnumDescriptor) string {
	if name := r.enums[d.FullName()]; name != "" {
		return name
	}
	e := &descriptorpb.EnumDescriptorProto{Name: new(string(d.Name())), Value: enumValues(d)}
	if aliased(e) {
		e.Options = &descriptorpb.EnumOptions{AllowAlias: new(true)}
	}
	name := r.pkg + "." + string(d.Name())
	if holder := r.holder(d, e); holder == "" {
		r.file.EnumType = append(r.file.EnumType, e)
	} else {
		name = r.pkg + "." + holder + "." + string(d.Name())
		msg := r.message(holder)
		msg.EnumType = append(msg.EnumType, e)
	}
	r.enums[d.FullName()] = name
	return name
}

// holder returns the name of the message that an enum is in, empty if none is.
func (r *redeclarer) holder(d protoreflect.EnumDescriptor, e *descriptorpb.EnumDescriptorProto) string {
	owner, name := d.FullName(), string(d.Name())+"Enum"
	if parent, ok := d.Parent().(protoreflect.MessageDescriptor); ok {
		if plan := r.m.plans[parent.FullName()]; plan != nil {
			return plan.name
		}
		owner, name = parent.FullName(), typeName(parent)
	} else if r.takeEnum(e) {
		return ""
	}
	if r.holders[owner] == "" {
		r.holders[owner] = r.free(name)
	}
	return r.holders[owner]
}

// takeEnum takes the names of an enum at the top, unless one is taken.
func (r *redeclarer) takeEnum(e *descriptorpb.EnumDescriptorProto) bool {
	names := []string{e.GetName()}
	for _, v := range e.Value {
		names = append(names, v.GetName())
	}
	for _, name := range names {
		if r.taken[name] {
			return false
		}
	}
	for _, name := range names {
		r.taken[name] = true
	}
	return true
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

// service adds the requests, the responses and the service.
func (r *redeclarer) service() {
	root := r.m.Root()
	get := r.message(r.name("Get", "Request"))
	for i, k := range r.m.keys {
		get.Field = append(get.Field, r.scalar(k.Field(), k.Name, protoreflect.FieldNumber(i+1)))
	}
	keys := r.reference("keys", get.GetName())
	keys.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	r.message(r.name("BatchGet", "Request")).Field = []*descriptorpb.FieldDescriptorProto{keys}
	batch := r.message(r.name("BatchGet", "Response"))
	batch.NestedType = []*descriptorpb.DescriptorProto{{
		Name: new("Result"), Field: []*descriptorpb.FieldDescriptorProto{r.reference("record", root)},
	}}
	results := r.reference("results", batch.GetName()+".Result")
	results.Label = descriptorpb.FieldDescriptorProto_LABEL_REPEATED.Enum()
	batch.Field = []*descriptorpb.FieldDescriptorProto{results}
	r.message(r.name("List", "Request"))
	r.file.Service = []*descriptorpb.ServiceDescriptorProto{{
		Name: new(r.name("", "Service")),
		Method: []*descriptorpb.MethodDescriptorProto{
			r.method(r.name("Get", ""), root, false),
			r.method(r.name("BatchGet", ""), r.name("BatchGet", "Response"), false),
			r.method(r.name("List", ""), root, true),
		},
	}}
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
