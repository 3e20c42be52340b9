package protomap

import (
	"context"
	"fmt"
	"os"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// compile maps the source of a .proto file.
func compile(source string) (*Mapping, error) {
	return Compile(context.Background(), "d.proto", func(path string) ([]byte, error) {
		if path != "d.proto" {
			return nil, os.ErrNotExist
		}
		return []byte(source), nil
	})
}

// parseFile compiles a file that imports nothing.
func parseFile(source string) (protoreflect.FileDescriptor, error) {
	return compileFile(context.Background(), "d.proto", func(path string) ([]byte, error) {
		if path != "d.proto" {
			return nil, os.ErrNotExist
		}
		return []byte(source), nil
	})
}

func mustCompile(t testing.TB, source string) *Mapping {
	t.Helper()
	m, err := compile(source)
	if err != nil {
		t.Fatalf("%v in\n%s", err, source)
	}
	return m
}

// build makes a state of messages and returns their records.
func build(m *Mapping, messages ...protoreflect.Message) ([]state.Record, error) {
	b, err := state.NewBuilder(nil, m.Schemas())
	if err != nil {
		return nil, err
	}
	ordinals := make([]state.Ordinal, len(messages))
	for i, msg := range messages {
		if ordinals[i], err = m.Add(b, msg); err != nil {
			return nil, err
		}
	}
	s, err := b.Finish(state.Header{})
	if err != nil {
		return nil, err
	}
	records := make([]state.Record, len(ordinals))
	for i, o := range ordinals {
		t := s.Type(m.Root())
		if !t.Populated(o) {
			return nil, fmt.Errorf("record %d is not populated", o)
		}
		records[i] = t.Record(o)
	}
	return records, nil
}
