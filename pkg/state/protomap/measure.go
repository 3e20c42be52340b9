package protomap

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// What a declaration may have. Compiling takes about a kilobyte of memory for
// each byte of a declaration, and more than that for what nests deeply, for
// full names that are long and for lines that are: these are bounded first, so
// that any declaration takes time and space in proportion to its size.
const (
	// MaxSource bounds a .proto file with all that it imports, in bytes.
	MaxSource = 1 << 20
	// MaxDescriptorSet bounds a FileDescriptorSet, in bytes.
	MaxDescriptorSet = 4 << 20
	// MaxFiles bounds the files of a declaration, imports included.
	MaxFiles = 500
	// MaxTypes bounds the types of a dataset.
	MaxTypes = 10_000

	maxNesting = 32   // levels of braces, brackets and parentheses, or of messages in messages
	maxSteps   = 64   // names that dots join
	maxName    = 1000 // bytes of a full name
	maxColumn  = 4096 // bytes of a line before the last word or sign in it
	// maxImportWays bounds the ways on which the imports of a file lead to
	// others: the compiler goes each of them for each name.
	maxImportWays = 500
)

// ErrTooComplex says that a declaration exceeds a limit, such as MaxSource.
var ErrTooComplex = errors.New("declaration is too large")

// tooComplex is ErrTooComplex with what is too much of and the limit.
func tooComplex(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrTooComplex, fmt.Sprintf(format, args...))
}

// readSet decodes a descriptor set if it is within the limits.
func readSet(b []byte) (*descriptorpb.FileDescriptorSet, error) {
	if len(b) > MaxDescriptorSet {
		return nil, tooComplex("the descriptor set has %d bytes, at most %d are possible", len(b), MaxDescriptorSet)
	}
	var set descriptorpb.FileDescriptorSet
	// A set, its files and what stands in a message are further levels.
	options := proto.UnmarshalOptions{RecursionLimit: maxNesting + 16}
	if err := options.Unmarshal(b, &set); err != nil {
		if (proto.UnmarshalOptions{}).Unmarshal(b, new(descriptorpb.FileDescriptorSet)) == nil {
			return nil, tooComplex("it nests deeper than %d levels", maxNesting)
		}
		return nil, err
	}
	return &set, measureSet(&set)
}

// measureSet says which limit a set exceeds, if it does.
func measureSet(set *descriptorpb.FileDescriptorSet) error {
	if len(set.File) > MaxFiles {
		return tooComplex("it has %d files, at most %d are possible", len(set.File), MaxFiles)
	}
	if err := measureImports(set); err != nil {
		return err
	}
	for _, f := range set.File {
		m := measurer{file: f.GetName()}
		if err := m.all(f); err != nil {
			return err
		}
	}
	return nil
}

// measureImports counts the ways of imports, in whatever order a set has them.
func measureImports(set *descriptorpb.FileDescriptorSet) error {
	byPath := map[string]*descriptorpb.FileDescriptorProto{}
	for _, f := range set.File {
		byPath[f.GetName()] = f
	}
	counted, seen := ways{}, map[string]bool{}
	var count func(path string) error
	count = func(path string) error {
		f := byPath[path]
		if f == nil || seen[path] {
			return nil
		}
		seen[path] = true
		for _, path := range f.Dependency {
			if err := count(path); err != nil {
				return err
			}
		}
		return counted.add(path, importsIn(f))
	}
	for path := range byPath {
		if err := count(path); err != nil {
			return err
		}
	}
	return nil
}

func importsIn(f *descriptorpb.FileDescriptorProto) []importOf {
	list := make([]importOf, len(f.Dependency))
	for i, path := range f.Dependency {
		list[i].path = path
	}
	for _, i := range f.PublicDependency {
		if 0 <= i && int(i) < len(list) {
			list[i].public = true
		}
	}
	return list
}

// measurer measures the names of one file.
type measurer struct{ file string }

func (m measurer) all(f *descriptorpb.FileDescriptorProto) error {
	scope := len(f.GetPackage())
	if err := m.name(scope, f.GetPackage()); err != nil {
		return err
	}
	for _, s := range f.Service {
		if err := m.name(scope, s.GetName()); err != nil {
			return err
		}
		for _, method := range s.Method {
			if err := m.name(scope+len(s.GetName()), method.GetName()); err != nil {
				return err
			}
		}
	}
	return m.types(scope, 0, scopeOf{f.MessageType, f.EnumType, f.Extension})
}

// scopeOf is what a file and a message can declare.
type scopeOf struct {
	messages   []*descriptorpb.DescriptorProto
	enums      []*descriptorpb.EnumDescriptorProto
	extensions []*descriptorpb.FieldDescriptorProto
}

func (m measurer) types(scope, depth int, in scopeOf) error {
	for _, e := range in.enums {
		for _, v := range e.Value { // is a sibling of its enum
			if err := m.name(scope, v.GetName()); err != nil {
				return err
			}
		}
		if err := m.name(scope, e.GetName()); err != nil {
			return err
		}
	}
	if err := m.fields(scope, in.extensions); err != nil {
		return err
	}
	for _, d := range in.messages {
		if err := m.message(scope, depth+1, d); err != nil {
			return err
		}
	}
	return nil
}

func (m measurer) message(scope, depth int, d *descriptorpb.DescriptorProto) error {
	if depth > maxNesting {
		return &SchemaError{File: m.file, Err: tooComplex("messages nest deeper than %d levels", maxNesting)}
	}
	if err := m.name(scope, d.GetName()); err != nil {
		return err
	}
	scope += 1 + len(d.GetName())
	for _, o := range d.OneofDecl {
		if err := m.name(scope, o.GetName()); err != nil {
			return err
		}
	}
	if err := m.fields(scope, d.Field); err != nil {
		return err
	}
	return m.types(scope, depth, scopeOf{d.NestedType, d.EnumType, d.Extension})
}

func (m measurer) fields(scope int, fields []*descriptorpb.FieldDescriptorProto) error {
	for _, f := range fields {
		if err := m.name(scope, f.GetName()); err != nil {
			return err
		}
	}
	return nil
}

// name refuses a name in a scope whose full name has that many bytes.
func (m measurer) name(scope int, name string) error {
	if scope+1+len(name) > maxName+1 {
		return &SchemaError{File: m.file, Err: tooComplex("the full name of %.40q has more than %d bytes", name, maxName)}
	}
	return nil
}
