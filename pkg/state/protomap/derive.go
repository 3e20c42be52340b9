package protomap

import (
	"context"
	"fmt"
	"os"
	"regexp"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/state"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// Derive writes a first .proto for a dataset whose owner declared none, for the
// owner to keep. Scalars are optional, because Hollow's may be null; a type of
// one scalar field is that scalar; a collection in a collection gets a message
// around it; a MAP whose key is no integer, bool or string is a list of
// entries. Fields whose names no .proto can have are left out, with a comment.
// Errors wrap ErrUnsupported or ErrBadKey.
func Derive(schemas map[string]*state.Schema, root string) (string, error) {
	d := deriver{schemas: schemas, done: map[string]bool{}}
	s := schemas[root]
	if s == nil || s.Kind != state.Object || len(s.Key) == 0 {
		return "", fmt.Errorf("derive schema: type %s has no key: %w", root, ErrBadKey)
	}
	key, err := d.key(s)
	if err != nil {
		return "", fmt.Errorf("derive schema: %w", err)
	}
	d.message(s, "  option (holdfast.v1.dataset) = {key: ["+key+"]};\n")
	for len(d.waiting) > 0 {
		next := d.waiting[0]
		d.waiting = d.waiting[1:]
		next()
	}
	return "syntax = \"proto3\";\n\nimport \"" + holdfastv1.OptionsPath + "\";\n" + d.text.String(), nil
}

// Derived compiles what Derive writes. The mapping reads records of the
// dataset; its schemas are not the dataset's.
func Derived(schemas map[string]*state.Schema, root string) (*Mapping, error) {
	text, err := Derive(schemas, root)
	if err != nil {
		return nil, err
	}
	return Compile(context.Background(), "derived.proto", func(path string) ([]byte, error) {
		if path != "derived.proto" {
			return nil, os.ErrNotExist
		}
		return []byte(text), nil
	})
}

type deriver struct {
	schemas map[string]*state.Schema
	text    strings.Builder
	done    map[string]bool // messages that are written or will be
	waiting []func()
}

var identifier = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// messageName returns the name of a type's message.
func messageName(typeName string) string {
	name := regexp.MustCompile(`[^A-Za-z0-9_]`).ReplaceAllString(typeName, "_")
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "T" + name
	}
	return name
}

// box returns the scalar that a type of one field stands for, 0 if it is none.
func (d *deriver) box(name string) state.FieldType {
	for range maxBoxes {
		s := d.schemas[name]
		if s == nil || s.Kind != state.Object || len(s.Fields) != 1 {
			return 0
		}
		if s.Fields[0].Type != state.Reference {
			return s.Fields[0].Type
		}
		name = s.Fields[0].Ref
	}
	return 0
}

// key returns the key's paths as a list of quoted texts, without the fields of
// types that stand for a scalar.
func (d *deriver) key(s *state.Schema) (string, error) {
	var out []string
	for _, path := range s.Key {
		steps, err := state.ResolvePath(d.schemas, s.Name, path)
		if err != nil {
			return "", err
		}
		var names []string
		for i, step := range steps {
			if i > 0 && d.box(step.Type) != 0 {
				break
			}
			names = append(names, d.schemas[step.Type].Fields[step.Field].Name)
		}
		out = append(out, `"`+strings.Join(names, ".")+`"`)
	}
	return strings.Join(out, ", "), nil
}

func (d *deriver) message(s *state.Schema, option string) {
	d.done[messageName(s.Name)] = true
	fmt.Fprintf(&d.text, "\nmessage %s {\n%s", messageName(s.Name), option)
	for i, f := range s.Fields {
		typ := d.field(f)
		switch {
		case !identifier.MatchString(f.Name):
			fmt.Fprintf(&d.text, "  // Field %d, %q, has no name that protobuf allows.\n", i+1, f.Name)
		case typ == "":
			fmt.Fprintf(&d.text, "  // Field %d, %s, refers to type %s, which is not loaded.\n", i+1, f.Name, f.Ref)
		default:
			fmt.Fprintf(&d.text, "  %s %s = %d;\n", typ, f.Name, i+1)
		}
	}
	d.text.WriteString("}\n")
}

var scalarNames = map[state.FieldType]string{
	state.Int: "int32", state.Long: "int64", state.Boolean: "bool", state.Float: "float",
	state.Double: "double", state.String: "string", state.Bytes: "bytes",
}

// field returns a field's type with its label, empty if it has none.
func (d *deriver) field(f state.Field) string {
	if f.Type != state.Reference {
		return "optional " + scalarNames[f.Type]
	}
	if t := d.box(f.Ref); t != 0 {
		return "optional " + scalarNames[t]
	}
	s := d.schemas[f.Ref]
	if s == nil {
		return ""
	}
	if s.Kind == state.Object {
		return d.element(f.Ref)
	}
	return d.collection(s)
}

// collection returns the type of a field that holds a collection's elements.
func (d *deriver) collection(s *state.Schema) string {
	if s.Kind != state.Map {
		if e := d.element(s.Element); e != "" {
			return "repeated " + e
		}
		return ""
	}
	value := d.element(s.Value)
	if value == "" || d.element(s.Element) == "" {
		return ""
	}
	switch t := d.box(s.Element); t {
	case state.Int, state.Long, state.Boolean, state.String:
		return "map<" + scalarNames[t] + ", " + value + ">"
	}
	name := messageName(s.Name) + "Entry"
	d.later(name, func() {
		fmt.Fprintf(&d.text, "\nmessage %s {\n  %s key = 1;\n  %s value = 2;\n}\n", name, d.element(s.Element), value)
	})
	return "repeated " + name
}

// element returns the type of one element, empty if its type is not loaded.
func (d *deriver) element(name string) string {
	if t := d.box(name); t != 0 {
		return scalarNames[t]
	}
	s := d.schemas[name]
	if s == nil {
		return ""
	}
	message := messageName(name)
	if s.Kind == state.Object {
		d.later(message, func() { d.message(s, "") })
		return message
	}
	message += "Elements" // a list of them is a type of its own
	d.later(message, func() {
		fmt.Fprintf(&d.text, "\nmessage %s {\n  %s elements = 1;\n}\n", message, d.collection(s))
	})
	return message
}

func (d *deriver) later(name string, write func()) {
	if !d.done[name] {
		d.done[name] = true
		d.waiting = append(d.waiting, write)
	}
}
