// Command gen makes Go of the demo's protobuf sources without protoc and
// without plugins: both the compiler and the generator are Go modules that
// go.mod pins. Run it in the folder of the sources.
package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/linker"
	"google.golang.org/protobuf/cmd/protoc-gen-go/internal_gengo"
	"google.golang.org/protobuf/compiler/protogen"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"

	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

const (
	module = "github.com/holdfast-data/holdfast"
	folder = "testenv/featuregate" // of the sources, within the module
)

func main() {
	if err := write("."); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(2)
	}
}

// write puts what generate makes of the sources in dir beside them.
func write(dir string) error {
	files, err := generate(context.Background(), dir)
	if err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, filepath.FromSlash(name)), content, 0o644); err != nil {
			return fmt.Errorf("write result: %w", err)
		}
	}
	return nil
}

// generate returns the Go of every source in dir by its path below dir. Equal
// sources give equal Go.
func generate(ctx context.Context, dir string) (map[string][]byte, error) {
	request, err := compile(ctx, dir)
	if err != nil {
		return nil, err
	}
	gen, err := protogen.Options{}.New(request)
	if err != nil {
		return nil, fmt.Errorf("plan generation: %w", err)
	}
	for _, f := range gen.Files {
		if f.Generate {
			internal_gengo.GenerateFile(gen, f)
		}
	}
	response := gen.Response()
	if response.Error != nil {
		return nil, fmt.Errorf("generate: %s", response.GetError())
	}
	files := map[string][]byte{}
	for _, f := range response.File {
		files[strings.TrimPrefix(f.GetName(), folder+"/")] = []byte(f.GetContent())
	}
	return files, nil
}

// compile reads the sources in dir. Each is named by its path in the module,
// so that it is the only one of its name in any program.
func compile(ctx context.Context, dir string) (*pluginpb.CodeGeneratorRequest, error) {
	sources, err := filepath.Glob(filepath.Join(dir, "*.proto"))
	if err != nil || len(sources) == 0 {
		return nil, fmt.Errorf("find sources in %s: there are none (%w)", dir, cmp.Or(err, os.ErrNotExist))
	}
	request := &pluginpb.CodeGeneratorRequest{Parameter: proto.String("module=" + module)}
	for _, s := range sources {
		request.FileToGenerate = append(request.FileToGenerate, path.Join(folder, filepath.Base(s)))
	}
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{Accessor: accessor(dir)}),
		SourceInfoMode: protocompile.SourceInfoStandard,
	}
	files, err := compiler.Compile(ctx, request.FileToGenerate...)
	if err != nil {
		return nil, fmt.Errorf("compile: %w", err)
	}
	request.ProtoFile = withImports(files)
	return request, nil
}

// accessor finds our sources in dir and the options in their own package.
func accessor(dir string) func(string) (io.ReadCloser, error) {
	return func(name string) (io.ReadCloser, error) {
		if name == holdfastv1.OptionsPath {
			return io.NopCloser(bytes.NewReader(holdfastv1.OptionsSource())), nil
		}
		if path.Dir(name) != folder {
			return nil, os.ErrNotExist
		}
		return os.Open(filepath.Join(dir, path.Base(name)))
	}
}

// withImports describes files, each after what it imports.
func withImports(files linker.Files) []*descriptorpb.FileDescriptorProto {
	var out []*descriptorpb.FileDescriptorProto
	seen := map[string]bool{}
	var add func(protoreflect.FileDescriptor)
	add = func(f protoreflect.FileDescriptor) {
		if seen[f.Path()] {
			return
		}
		seen[f.Path()] = true
		for i := range f.Imports().Len() {
			add(f.Imports().Get(i).FileDescriptor)
		}
		out = append(out, protodesc.ToFileDescriptorProto(f))
	}
	for _, f := range files {
		add(f)
	}
	return out
}
