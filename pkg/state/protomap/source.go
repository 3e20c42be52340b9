package protomap

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/jhump/protoreflect/v2/protoprint"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// Source returns the text of a file, as Redeclare gives it. Compiled, it is
// that file again: Source makes sure of it.
func Source(file protoreflect.FileDescriptor) (string, error) {
	p := protoprint.Printer{Indent: "  ", Compact: true}
	text, err := p.PrintProtoToString(file)
	if err != nil {
		return "", fmt.Errorf("print %s: %w", file.Path(), err)
	}
	if declares(text, file) != nil { // a short name can mean something nearer
		p.ForceFullyQualifiedNames = true
		if text, err = p.PrintProtoToString(file); err != nil {
			return "", fmt.Errorf("print %s: %w", file.Path(), err)
		}
		if err := declares(text, file); err != nil {
			return "", fmt.Errorf("print %s: %w", file.Path(), err)
		}
	}
	return "// Declares the records of a dataset and its look-up service.\n" + spaced(text), nil
}

// declares says why a text is not the declaration of file, if it is not.
func declares(text string, file protoreflect.FileDescriptor) error {
	again, err := compileFile(context.Background(), file.Path(), func(path string) ([]byte, error) {
		if path != file.Path() {
			return nil, os.ErrNotExist
		}
		return []byte(text), nil
	})
	if err != nil {
		return err
	}
	if !proto.Equal(declaration(again), declaration(file)) {
		return fmt.Errorf("it has no text form: %w", ErrUnsupported)
	}
	return nil
}

// declaration is what a file says, whatever wrote it.
func declaration(file protoreflect.FileDescriptor) *descriptorpb.FileDescriptorProto {
	d := protodesc.ToFileDescriptorProto(file)
	d.SourceCodeInfo = nil
	return d
}

// spaced puts blank lines between what stands at the top, and none around the
// names of methods.
func spaced(text string) string {
	var b strings.Builder
	around := strings.NewReplacer(" ( ", "(", " ) ", ") ", " )", ")")
	for line := range strings.Lines(text) {
		word, _, _ := strings.Cut(line, " ")
		switch {
		case word == "package" || word == "message" || word == "enum" || word == "service":
			b.WriteByte('\n')
		case strings.HasPrefix(strings.TrimSpace(line), "rpc "):
			request, response, _ := strings.Cut(line, " returns ( ")
			line = around.Replace(request) + " returns (" + around.Replace(response)
		}
		b.WriteString(line)
	}
	return b.String()
}
