package protomap

import (
	"fmt"
	"sync"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/runtime/protoimpl"

	"github.com/holdfast-data/holdfast/pkg/state"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// Limits bound the work that one record can cause.
type Limits struct {
	Depth int // levels of nested messages; of what is read at most state.MaxDepth
	Size  int // bytes of the encoded record
}

// DefaultLimits are what a new Mapping has: state.MaxDepth levels, 64 MiB.
func DefaultLimits() Limits { return Limits{Depth: state.MaxDepth, Size: 64 << 20} }

// A Mapping is the relation of one dataset's messages to its types.
type Mapping struct {
	root    *typePlan
	plans   map[protoreflect.FullName]*typePlan
	schemas []*state.Schema // in dependency order
	keys    []KeyField
	set     []byte // FileDescriptorSet
	limits  Limits

	printed protoreflect.MessageDescriptor // the root message as JSON has it
	leftOut []string                       // see LeftOut

	encoders *sync.Pool // of *encoder
}

// newMapping maps the one message of the file that has the dataset option.
func newMapping(file protoreflect.FileDescriptor) (*Mapping, error) {
	root, option, err := findRoot(file)
	if err != nil {
		return nil, err
	}
	p := planner{plans: map[protoreflect.FullName]*typePlan{}, taken: map[string]taken{}, enums: map[protoreflect.FullName]map[string]protoreflect.EnumNumber{}}
	plan, err := p.message(root)
	if err != nil {
		return nil, err
	}
	m := &Mapping{root: plan, plans: p.plans, printed: root, limits: DefaultLimits(), encoders: &sync.Pool{New: func() any { return new(encoder) }}}
	if m.keys, err = keyFields(root, option.GetKey()); err != nil {
		return nil, err
	}
	for _, t := range p.taken {
		if t.schema.Name == plan.name {
			t.schema.Key = option.GetKey()
		}
		m.schemas = append(m.schemas, t.schema)
	}
	m.schemas = state.DependencyOrder(m.schemas)
	return m, nil
}

func findRoot(file protoreflect.FileDescriptor) (protoreflect.MessageDescriptor, *holdfastv1.Dataset, error) {
	var roots []protoreflect.MessageDescriptor
	var option *holdfastv1.Dataset
	eachMessage(file.Messages(), func(d protoreflect.MessageDescriptor) {
		if x, ok := extensionOf(d.Options(), holdfastv1.E_Dataset).(*holdfastv1.Dataset); ok {
			roots, option = append(roots, d), x
		}
	})
	switch {
	case len(roots) == 0:
		return nil, nil, &SchemaError{File: file.Path(), Err: fmt.Errorf(
			"no message is the root: add `option (holdfast.v1.dataset) = {key: [\"id\"]};` to one: %w", ErrUnsupported)}
	case len(roots) > 1:
		return nil, nil, schemaError(roots[1], "is a second root beside %s: only one message may have the dataset option: %w", roots[0].FullName(), ErrUnsupported)
	}
	return roots[0], option, nil
}

// rootStandsAlone refuses a declaration in which records hold messages of the
// root type: look-ups are over all records of that type, so each such part
// would be found, and counted, as a record that nobody published.
func (m *Mapping) rootStandsAlone() error {
	return m.root.messages(map[*typePlan]bool{}, func(f *fieldPlan, next *typePlan) error {
		if next != m.root {
			return nil
		}
		root := m.root.desc
		return schemaError(f.desc, "is a %[1]s, and %[1]s is the root: whatever is nested here would become a record of the dataset by itself; "+
			"declare another message for it, such as %[2]sPart, or keep only the key here: %[3]w", root.FullName(), root.Name(), ErrUnsupported)
	})
}

func eachMessage(list protoreflect.MessageDescriptors, f func(protoreflect.MessageDescriptor)) {
	for i := range list.Len() {
		f(list.Get(i))
		eachMessage(list.Get(i).Messages(), f)
	}
}

// extensionOf returns the value of an extension of ours, or nil. Options may
// hold it in any form, so it is decoded anew.
func extensionOf(options proto.Message, x *protoimpl.ExtensionInfo) any {
	if options == nil || !options.ProtoReflect().IsValid() {
		return nil
	}
	b, err := proto.Marshal(options)
	if err != nil {
		return nil
	}
	own := options.ProtoReflect().Type().New().Interface()
	if err := proto.Unmarshal(b, own); err != nil || !proto.HasExtension(own, x) {
		return nil
	}
	return proto.GetExtension(own, x)
}

// WithLimits returns the same mapping with other limits.
func (m *Mapping) WithLimits(l Limits) *Mapping {
	next := *m
	next.limits = l
	return &next
}

// Schemas returns the dataset's schemas in dependency order. They must not be
// changed.
func (m *Mapping) Schemas() []*state.Schema { return m.schemas }

// Root returns the name of the root type.
func (m *Mapping) Root() string { return m.root.name }

// Message returns the root message.
func (m *Mapping) Message() protoreflect.MessageDescriptor { return m.root.desc }

// DescriptorSet returns the FileDescriptorSet that the mapping was made of:
// the file and all that it imports, imports first, without source positions.
// Equal declarations have equal bytes. They must not be changed.
func (m *Mapping) DescriptorSet() []byte { return m.set }
