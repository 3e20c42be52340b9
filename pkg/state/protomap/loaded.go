package protomap

import (
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// Loaded returns m for states that were loaded with a filter, which may be nil.
// Its JSON lacks the fields that are not loaded: printed with a default, they
// would pass for content. Messages and schemas stay as they are declared.
func (m *Mapping) Loaded(f *state.Filter) (*Mapping, error) {
	if f == nil {
		return m, nil
	}
	loaded, err := f.Schemas(m.schemas)
	if err != nil {
		return nil, fmt.Errorf("leave fields out: %w", err)
	}
	next := *m
	next.leftOut = leftOut(m.schemas, loaded)
	if len(next.leftOut) == 0 {
		return m, nil
	}
	if next.printed, err = m.without(loaded); err != nil {
		return nil, fmt.Errorf("leave fields out: %w", err)
	}
	return &next, nil
}

// LeftOut returns the fields that are not loaded of types that are, each
// Type.field, sorted. They must not be changed.
func (m *Mapping) LeftOut() []string { return m.leftOut }

func leftOut(all []*state.Schema, loaded map[string]*state.Schema) (names []string) {
	for _, s := range all {
		if loaded[s.Name] == nil {
			continue // a field that led to it is named
		}
		for _, f := range s.Fields {
			if loaded[s.Name].FieldIndex(f.Name) < 0 {
				names = append(names, s.Name+"."+f.Name)
			}
		}
	}
	slices.Sort(names)
	return names
}

// without returns the root message without the fields that are not loaded.
func (m *Mapping) without(loaded map[string]*state.Schema) (protoreflect.MessageDescriptor, error) {
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(m.set, set); err != nil {
		return nil, err
	}
	for _, file := range set.File {
		if file.GetPackage() != wellKnown {
			m.prune(file.MessageType, protoreflect.FullName(file.GetPackage()), loaded)
		}
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, err
	}
	d, err := files.FindDescriptorByName(m.root.desc.FullName())
	if err != nil {
		return nil, err
	}
	return d.(protoreflect.MessageDescriptor), nil // it was one
}

// prune removes from messages in a scope, and from those within them, the
// fields that are not loaded.
func (m *Mapping) prune(list []*descriptorpb.DescriptorProto, scope protoreflect.FullName, loaded map[string]*state.Schema) {
	for _, d := range list {
		name := scope.Append(protoreflect.Name(d.GetName()))
		m.prune(d.NestedType, name, loaded)
		plan := m.plans[name]
		if plan == nil || loaded[plan.name] == nil {
			continue
		}
		gone := map[string]bool{}
		for _, f := range plan.fields {
			column := string(f.desc.Name())
			gone[column] = loaded[plan.name].FieldIndex(column) < 0 || f.value.unprintable(loaded)
		}
		d.Field = slices.DeleteFunc(d.Field, func(f *descriptorpb.FieldDescriptorProto) bool { return gone[f.GetName()] })
		keepOneofs(d)
	}
}

// wellKnown is the package of messages that JSON has forms of its own for.
const wellKnown = "google.protobuf"

// unprintable says whether a value is one of those and lacks a part of what its
// form is made of: a time without its seconds would be another time.
func (x *element) unprintable(loaded map[string]*state.Schema) bool {
	if x.msg == nil || x.msg.desc.ParentFile().Package() != wellKnown {
		return false
	}
	s := loaded[x.msg.name]
	return s == nil || len(s.Fields) < len(x.msg.fields)
}

// keepOneofs removes the oneofs that have no field any more, which no message
// may have, and numbers the others anew.
func keepOneofs(d *descriptorpb.DescriptorProto) {
	used, at := map[int32]bool{}, map[int32]int32{}
	for _, f := range d.Field {
		if f.OneofIndex != nil {
			used[f.GetOneofIndex()] = true
		}
	}
	var kept []*descriptorpb.OneofDescriptorProto
	for i, o := range d.OneofDecl {
		if used[int32(i)] {
			at[int32(i)] = int32(len(kept))
			kept = append(kept, o)
		}
	}
	for _, f := range d.Field {
		if f.OneofIndex != nil {
			f.OneofIndex = proto.Int32(at[f.GetOneofIndex()])
		}
	}
	d.OneofDecl = kept
}

// IsBox says whether a type has single values of the fields of messages: it is in
// the schemas and no message itself.
func (m *Mapping) IsBox(typeName string) bool {
	for _, p := range m.plans {
		if p.name == typeName {
			return false
		}
	}
	return slices.Contains(slices.Collect(maps.Values(boxNames)), typeName)
}
