package protomap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"unicode"

	"github.com/bufbuild/protocompile"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// Compile reads a .proto file and maps its root message. Imports are found by
// source, relative to the file's folder and then as they stand; those of
// google/protobuf and holdfast/v1/options.proto need no file. A nil source
// reads files. Errors name file and line; a declaration beyond MaxSource and the
// other limits is ErrTooComplex, before it is compiled.
func Compile(ctx context.Context, filename string, source func(path string) ([]byte, error)) (*Mapping, error) {
	m, err := compileMapping(ctx, filename, source, declared)
	if err != nil {
		return nil, fmt.Errorf("compile schema: %w%s", err, compileHint(err.Error()))
	}
	return m, nil
}

// compileHint says what to do about what newcomers forget most.
func compileHint(text string) string {
	name, unknown := unknownOption(text)
	switch {
	case unknown && name != holdfastv1.E_Dataset.TypeDescriptor().Name() && name != holdfastv1.E_Field.TypeDescriptor().Name():
		return fmt.Sprintf("; the options are (%s) of messages and (%s) of fields",
			holdfastv1.E_Dataset.TypeDescriptor().FullName(), holdfastv1.E_Field.TypeDescriptor().FullName())
	case unknown:
		return "; the file has to import \"" + holdfastv1.OptionsPath + "\", which needs no path"
	case strings.Contains(text, "field has no label"):
		return "; begin the file with: syntax = \"proto3\";"
	}
	return ""
}

// unknownOption returns the name of the option of ours, without its package, that
// an error of the compiler says is not known.
func unknownOption(text string) (name protoreflect.Name, ok bool) {
	_, rest, ok := strings.Cut(text, "unknown extension holdfast.v1.")
	end := strings.IndexFunc(rest, func(r rune) bool { return r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	if end >= 0 {
		rest = rest[:end]
	}
	return protoreflect.Name(rest), ok
}

// servable says why a dataset that is declared so could not be served.
func (m *Mapping) servable() error {
	if err := m.rootStandsAlone(); err != nil {
		return err
	}
	if err := m.exactKey(); err != nil {
		return err
	}
	file, err := Redeclare(m, "dataset")
	if err != nil {
		return err
	}
	_, err = Source(file)
	return err
}

// origin is who wrote a declaration.
type origin bool

const (
	declared origin = false // the dataset's owner
	derived  origin = true  // Derive
)

func compileMapping(ctx context.Context, filename string, source func(path string) ([]byte, error), by origin) (*Mapping, error) {
	sources, err := readSources(filename, source)
	if err != nil {
		return nil, err
	}
	file, err := compileFile(ctx, filepath.Base(filename), sources.text)
	if err != nil {
		return nil, err
	}
	m, err := newMapping(file) // here positions are known
	if err == nil && by == declared {
		err = m.servable()
	}
	if err != nil {
		return nil, err
	}
	var files descriptorpb.FileDescriptorSet
	appendFiles(&files, map[string]bool{}, file)
	neutralize(&files)
	set, err := proto.MarshalOptions{Deterministic: true}.Marshal(&files)
	if err != nil {
		return nil, fmt.Errorf("encode descriptors: %w", err)
	}
	return FromDescriptorSet(set)
}

func compileFile(ctx context.Context, name string, source func(path string) ([]byte, error)) (protoreflect.FileDescriptor, error) {
	accessor := func(path string) (io.ReadCloser, error) {
		if path == holdfastv1.OptionsPath {
			return io.NopCloser(bytes.NewReader(holdfastv1.OptionsSource())), nil
		}
		b, err := source(path)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(bytes.NewReader(b)), nil
	}
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{Accessor: accessor}),
		SourceInfoMode: protocompile.SourceInfoStandard,
		MaxParallelism: 1,
	}
	files, err := compiler.Compile(ctx, name)
	if err != nil {
		return nil, err
	}
	return files[0], nil
}

// appendFiles appends f after its imports, without source positions.
func appendFiles(to *descriptorpb.FileDescriptorSet, seen map[string]bool, f protoreflect.FileDescriptor) {
	if seen[f.Path()] {
		return
	}
	seen[f.Path()] = true
	for i := range f.Imports().Len() {
		appendFiles(to, seen, f.Imports().Get(i).FileDescriptor)
	}
	d := protodesc.ToFileDescriptorProto(f)
	d.SourceCodeInfo = nil
	to.File = append(to.File, d)
}

// neutralize takes out of a set what says nothing about records: what the last file,
// which no other imports, is called, and options of code generators. A declaration
// is the same wherever its file lies.
func neutralize(set *descriptorpb.FileDescriptorSet) {
	last := set.File[len(set.File)-1]
	imported := map[string]bool{}
	for _, f := range set.File {
		imported[f.GetName()] = f != last
		if f.Options == nil {
			continue
		}
		own := f.Options.ProtoReflect()
		own.Range(func(d protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
			if strings.HasPrefix(string(d.FullName()), "google.protobuf.FileOptions.") && d.Name() != "features" && d.Name() != "deprecated" {
				own.Clear(d)
			}
			return true
		})
		if proto.Size(f.Options) == 0 {
			f.Options = nil
		}
	}
	name := "dataset.proto"
	for imported[name] {
		name = "the_" + name
	}
	last.Name = &name
}

// FromDescriptorSet maps the root message of the last file of a
// FileDescriptorSet, such as DescriptorSet returns. It keeps b. A set beyond
// MaxDescriptorSet and the other limits is ErrTooComplex.
func FromDescriptorSet(b []byte) (*Mapping, error) {
	set, err := readSet(b)
	if err != nil {
		return nil, fmt.Errorf("read descriptor set: %w", err)
	}
	if len(set.File) == 0 {
		return nil, errors.New("read descriptor set: it has no file")
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, fmt.Errorf("read descriptor set: %w", err)
	}
	file, err := files.FindFileByPath(set.File[len(set.File)-1].GetName())
	if err != nil {
		return nil, fmt.Errorf("read descriptor set: %w", err)
	}
	m, err := newMapping(file)
	if err != nil {
		return nil, fmt.Errorf("read descriptor set: %w", err)
	}
	m.set = b
	return m, nil
}
