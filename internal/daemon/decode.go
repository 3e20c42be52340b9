package daemon

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// reader decodes nodes into fields, strictly.
type reader struct {
	where  func(*yaml.Node) string
	origin *Origins
	root   reflect.Type
}

var textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()

// isStruct says whether a type is read key by key.
func isStruct(t reflect.Type) bool {
	return t.Kind() == reflect.Struct && !reflect.PointerTo(t).Implements(textUnmarshaler)
}

// value reads node into v. A null leaves v as it is.
func (r *reader) value(node *yaml.Node, v reflect.Value, path string) error {
	switch {
	case node.Kind == yaml.AliasNode || node.Anchor != "":
		return r.errorf(node, path, "anchors and aliases are not read: write the value out")
	case node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null":
		return nil
	case isStruct(v.Type()):
		return r.fields(node, v, path)
	case v.Kind() == reflect.Slice:
		return r.list(node, v, path)
	case node.Kind != yaml.ScalarNode:
		return r.errorf(node, path, "%s is needed", describe(v.Type()))
	case isInteger(v.Type()) && node.ShortTag() != "!!int": // the parser would truncate
		return r.errorf(node, path, "%q is not %s", node.Value, describe(v.Type()))
	}
	if err := node.Decode(v.Addr().Interface()); err != nil {
		return r.errorf(node, path, "%q is not %s%s", node.Value, describe(v.Type()), cause(err))
	}
	r.origin.at[path] = r.where(node)
	return nil
}

// isInteger says whether a type is read from a whole number. A duration, which
// is one to Go, is not.
func isInteger(t reflect.Type) bool {
	return t != reflect.TypeFor[time.Duration]() && t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64
}

// cause returns what a type's own decoder said; the parser's own words add
// nothing.
func cause(err error) string {
	var typeError *yaml.TypeError
	if errors.As(err, &typeError) {
		return ""
	}
	return ": " + err.Error()
}

func (r *reader) fields(node *yaml.Node, v reflect.Value, path string) error {
	if node.Kind != yaml.MappingNode {
		return r.errorf(node, path, "%s is needed", describe(v.Type()))
	}
	r.origin.at[path] = r.where(node)
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(node.Content); i += 2 {
		key := node.Content[i]
		if first := seen[key.Value]; first != nil {
			return r.errorf(key, path, "key %q is already given on line %d", key.Value, first.Line)
		}
		seen[key.Value] = key
		field, ok := lookUp(v, key.Value)
		if !ok || key.Kind != yaml.ScalarNode || strings.Contains(key.Value, ".") {
			return fmt.Errorf("%s: unknown key %q%s: %w", r.where(key), join(path, key.Value), suggest(r.root, v.Type(), path, key.Value), ErrConfig)
		}
		if err := r.value(node.Content[i+1], field, join(path, key.Value)); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) list(node *yaml.Node, v reflect.Value, path string) error {
	if node.Kind != yaml.SequenceNode {
		return r.errorf(node, path, "%s is needed", describe(v.Type()))
	}
	out := reflect.MakeSlice(v.Type(), len(node.Content), len(node.Content))
	r.origin.drop(path)
	for i, n := range node.Content {
		if d, ok := out.Index(i).Addr().Interface().(Defaulter); ok {
			d.SetDefaults()
		}
		if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" {
			return r.errorf(n, path, "an element is empty")
		}
		if err := r.value(n, out.Index(i), fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	v.Set(out)
	r.origin.at[path] = r.where(node)
	return nil
}

func (r *reader) errorf(node *yaml.Node, path, format string, args ...any) error {
	if path != "" {
		path += ": "
	}
	return fmt.Errorf("%s: %s%s: %w", r.where(node), path, fmt.Sprintf(format, args...), ErrConfig)
}

// describe names what a type is read from, for a person.
func describe(t reflect.Type) string {
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "a duration such as 1s or 500ms"
	case isStruct(t):
		return "a mapping with the keys " + strings.Join(keysOf(t), ", ")
	case isInteger(t):
		return "a whole number"
	}
	switch t.Kind() {
	case reflect.Slice:
		return "a list"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	}
	return "a text"
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// tag returns the key of a struct field, empty if it is not read.
func tag(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("yaml"), ",")
	if name == "-" {
		return ""
	}
	return name
}

// keysOf returns the keys of a struct type in order.
func keysOf(t reflect.Type) []string {
	var out []string
	for i := range t.NumField() {
		if name := tag(t.Field(i)); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// lookUp returns the field of a key such as gossip.key_file.
func lookUp(v reflect.Value, key string) (reflect.Value, bool) {
	first, rest, nested := strings.Cut(key, ".")
	for i := range v.NumField() {
		if first == "" || tag(v.Type().Field(i)) != first {
			continue
		}
		if !nested {
			return v.Field(i), true
		}
		if isStruct(v.Field(i).Type()) {
			return lookUp(v.Field(i), rest)
		}
	}
	return reflect.Value{}, false
}

// Keys returns the keys of a configuration that are not mappings, in order;
// those of a list's elements are written as datasets[].name.
func Keys(config any) []string {
	var out []string
	t := reflect.Indirect(reflect.ValueOf(config)).Type()
	for _, key := range leaves(t, "") {
		field, _ := lookUp(reflect.New(t).Elem(), key)
		if field.Kind() != reflect.Slice || !isStruct(field.Type().Elem()) {
			out = append(out, key)
			continue
		}
		for _, inner := range leaves(field.Type().Elem(), "") {
			out = append(out, key+"[]."+inner)
		}
	}
	return out
}

// leaves returns the keys that are not mappings, in order.
func leaves(t reflect.Type, path string) []string {
	var out []string
	for i := range t.NumField() {
		name := tag(t.Field(i))
		switch {
		case name == "":
		case isStruct(t.Field(i).Type):
			out = append(out, leaves(t.Field(i).Type, join(path, name))...)
		default:
			out = append(out, join(path, name))
		}
	}
	return out
}
