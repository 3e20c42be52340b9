package protomap

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/state"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// Derive writes a first .proto for a dataset whose owner declared none, for the
// owner to keep. Scalars are optional, because Hollow's may be null; a type of
// one scalar field is that scalar; a collection in a collection gets a message
// around it; a MAP whose key is no integer, bool or string is a list of
// entries. Fields that no .proto can have are left out, with a comment.
// Errors wrap ErrUnsupported, ErrBadKey or ErrTooComplex.
func Derive(schemas map[string]*state.Schema, root string) (string, error) {
	if len(schemas) > MaxTypes {
		return "", fmt.Errorf("derive schema: %w", tooComplex("a dataset has at most %d types, this has %d", MaxTypes, len(schemas)))
	}
	d := newDeriver(schemas)
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
	m, err := compileMapping(context.Background(), "derived.proto", func(path string) ([]byte, error) {
		if path != "derived.proto" {
			return nil, os.ErrNotExist
		}
		return []byte(text), nil
	}, derived)
	if err != nil {
		return nil, fmt.Errorf("compile derived schema: %w", err)
	}
	return m, nil
}

type deriver struct {
	schemas map[string]*state.Schema
	text    strings.Builder
	names   map[role]string
	taken   map[string]bool // names of messages
	tails   map[string]int  // by name: how many underscores are known to be taken
	partial map[string]bool // collections that lack a type that they can hold
	done    map[role]bool   // messages that are written or will be
	waiting []func()
}

// role is what a message stands for: a type; the elements of a collection in a
// collection; an entry of a MAP.
type role struct {
	typ string
	as  string // empty, Elements or Entry
}

var (
	identifier = regexp.MustCompile(`^_*[A-Za-z][A-Za-z0-9_]*$`) // compilers derive names without the underscores
	unnameable = regexp.MustCompile(`[^A-Za-z0-9_]`)
)

// words mean something else where the name of a message stands.
const words = " bool bytes double enum extend extensions fixed32 fixed64 float google group holdfast import int32 int64 map " +
	"message oneof option optional package repeated required reserved rpc service sfixed32 sfixed64 sint32 sint64 " +
	"stream string syntax uint32 uint64 "

func newDeriver(schemas map[string]*state.Schema) *deriver {
	d := &deriver{schemas: schemas, names: map[role]string{}, taken: map[string]bool{}, tails: map[string]int{}, done: map[role]bool{}}
	d.partial = partialTypes(schemas)
	for _, own := range []bool{true, false} { // types keep their names if they can
		for _, name := range slices.Sorted(maps.Keys(schemas)) {
			if identifier.MatchString(name) == own {
				d.name(role{name, ""})
			}
		}
	}
	return d
}

// name returns the name of a message, which no other has.
func (d *deriver) name(x role) string {
	if name := d.names[x]; name != "" {
		return name
	}
	name := unnameable.ReplaceAllString(x.typ, "_") + x.as
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		name = "T" + name
	}
	plain := name
	for name = withTail(plain, d.tails[plain]); d.taken[name] || strings.Contains(words, " "+name+" "); name = withTail(plain, d.tails[plain]) {
		d.tails[plain]++
	}
	d.names[x], d.taken[name] = name, true
	return name
}

// withTail makes a name another: with underscores, and with a number where
// there would be many.
func withTail(name string, n int) string {
	const most = 4
	if n <= most {
		return name + strings.Repeat("_", n)
	}
	return name + strings.Repeat("_", most) + strconv.Itoa(n)
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
			return "", fmt.Errorf("%w: %w", ErrBadKey, err)
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
	d.done[role{s.Name, ""}] = true
	types := make([]string, len(s.Fields))
	entries := map[string]bool{} // messages that stand inside this one
	for i, f := range s.Fields {
		if types[i] = d.field(f); isMap(types[i]) {
			entries[entryName(f.Name)] = true
		}
	}
	fmt.Fprintf(&d.text, "\nmessage %s {\n%s", d.name(role{s.Name, ""}), option)
	names := map[string]string{}  // of fields, by their names in JSON
	inside := map[string]string{} // names of fields and entries in the message: whose they are
	for i, f := range s.Fields {
		switch {
		case !identifier.MatchString(f.Name):
			fmt.Fprintf(&d.text, "  // Field %d, %q, has no name that protobuf allows.\n", i+1, f.Name)
		case types[i] == "":
			fmt.Fprintf(&d.text, "  // Field %d, %s, refers to type %s, which is not loaded.\n", i+1, f.Name, f.Ref)
		case names[usualJSONName(f.Name)] != "":
			fmt.Fprintf(&d.text, "  // Field %d, %s, has the JSON name of field %s.\n", i+1, f.Name, names[usualJSONName(f.Name)])
		case inside[f.Name] != "" || isMap(types[i]) && inside[entryName(f.Name)] != "":
			fmt.Fprintf(&d.text, "  // Field %d, %s, and field %s need the same name, one of them for the entries of a map.\n",
				i+1, f.Name, cmp.Or(inside[f.Name], inside[entryName(f.Name)]))
		default:
			names[usualJSONName(f.Name)] = f.Name
			inside[f.Name] = f.Name
			if isMap(types[i]) {
				inside[entryName(f.Name)] = f.Name
			}
			fmt.Fprintf(&d.text, "  %s %s = %d;\n", outside(types[i], entries), f.Name, i+1)
		}
	}
	d.text.WriteString("}\n")
}

func isMap(typ string) bool { return strings.HasPrefix(typ, "map<") }

// outside names a field's type from the top if a message of its name stands
// inside the one that has the field.
func outside(typ string, entries map[string]bool) string {
	at := strings.LastIndexByte(typ, ' ') + 1
	if entries[strings.TrimSuffix(typ[at:], ">")] {
		return typ[:at] + "." + typ[at:]
	}
	return typ
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
	entry := role{s.Name, "Entry"}
	name := d.name(entry)
	d.later(entry, func() {
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
	if s == nil || d.partial[name] {
		return ""
	}
	if s.Kind == state.Object {
		x := role{name, ""}
		d.later(x, func() { d.message(s, "") })
		return d.name(x)
	}
	x := role{name, "Elements"} // a list of them is a type of its own
	d.later(x, func() {
		fmt.Fprintf(&d.text, "\nmessage %s {\n  %s elements = 1;\n}\n", d.name(x), d.collection(s))
	})
	return d.name(x)
}

// partialTypes returns the collections that lack a type that they can hold, at
// any depth of collections.
func partialTypes(schemas map[string]*state.Schema) map[string]bool {
	holders := map[string][]string{} // collections by what they hold
	var lacking []string
	for name, s := range schemas {
		if s.Kind == state.Object {
			continue
		}
		for _, held := range s.References() {
			holders[held] = append(holders[held], name)
			if schemas[held] == nil {
				lacking = append(lacking, name)
			}
		}
	}
	partial := map[string]bool{}
	for ; len(lacking) > 0; lacking = lacking[1:] {
		if name := lacking[0]; !partial[name] {
			partial[name] = true
			lacking = append(lacking, holders[name]...)
		}
	}
	return partial
}

func (d *deriver) later(x role, write func()) {
	if !d.done[x] {
		d.done[x] = true
		d.waiting = append(d.waiting, write)
	}
}
