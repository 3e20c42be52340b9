package protomap

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// A KeyField is one field of the dataset's key.
type KeyField struct {
	// Path is the declared path, such as owner.id.
	Path string
	// Name is the field's name in request messages: the path with
	// underscores. Its number there is its position in the key, from 1.
	Name string
	// Fields are the steps of the path; the last one is the key's scalar.
	Fields []protoreflect.FieldDescriptor
}

// Field returns the scalar field at the end of the path.
func (k KeyField) Field() protoreflect.FieldDescriptor { return k.Fields[len(k.Fields)-1] }

// KeyFields returns the key's fields in order. They must not be changed.
func (m *Mapping) KeyFields() []KeyField { return m.keys }

func keyFields(root protoreflect.MessageDescriptor, paths []string) ([]KeyField, error) {
	if len(paths) == 0 {
		return nil, schemaError(root, "the dataset option names no key: write {key: [\"id\"]}: %w", ErrBadKey)
	}
	var out []KeyField
	names := map[string]bool{}
	for _, path := range paths {
		k := KeyField{Path: path, Name: strings.ReplaceAll(path, ".", "_")}
		if names[k.Name] {
			return nil, schemaError(root, "the key names %s twice: %w", path, ErrBadKey)
		}
		names[k.Name] = true
		d := root
		for step := range strings.SplitSeq(path, ".") {
			if d == nil {
				return nil, schemaError(root, "key %s: %s has no fields: %w", path, k.Field().Name(), ErrBadKey)
			}
			f := d.Fields().ByName(protoreflect.Name(step))
			if f == nil {
				return nil, schemaError(root, "key %s: %s has no field %q: %w", path, d.FullName(), step, ErrBadKey)
			}
			if f.Cardinality() == protoreflect.Repeated || f.ContainingOneof() != nil && !f.ContainingOneof().IsSynthetic() {
				return nil, schemaError(f, "cannot be in a key: it is repeated, a map or in a oneof: %w", ErrBadKey)
			}
			k.Fields = append(k.Fields, f)
			d = f.Message()
		}
		switch f := k.Field(); f.Kind() {
		case protoreflect.MessageKind, protoreflect.GroupKind:
			return nil, schemaError(f, "cannot end a key: it is a message: %w", ErrBadKey)
		}
		out = append(out, k)
	}
	return out, nil
}

// exactKey says whether keys are equal only if they are the same.
func (m *Mapping) exactKey() error {
	for _, k := range m.keys {
		switch f := k.Field(); f.Kind() {
		case protoreflect.FloatKind, protoreflect.DoubleKind:
			return schemaError(f, "cannot be in a key: only integers, bool, string, bytes and enums can: %w", ErrBadKey)
		}
	}
	return nil
}

// Key reads a key from text, one argument per key field: strings and enum names
// as they are, numbers in decimal, true or false, bytes in base64. Errors wrap
// ErrBadKey and, if one field is to blame, a *ValueError that names it.
func (m *Mapping) Key(args []string) ([]state.Value, error) {
	if len(args) != len(m.keys) {
		var names []string
		for _, k := range m.keys {
			names = append(names, k.Path)
		}
		return nil, fmt.Errorf("read key: %d values given, the key is (%s): %w", len(args), strings.Join(names, ", "), ErrBadKey)
	}
	out := make([]state.Value, len(args))
	for i, k := range m.keys {
		v, err := parseKey(k.Field(), args[i])
		if err == nil {
			out[i], err = scalarValue(k.Field(), v)
		}
		if err != nil {
			return nil, fmt.Errorf("read key: %w: %w", ErrBadKey, at(k.Path, err))
		}
	}
	return out, nil
}

// KeyTexts returns a key in the form that Key reads. A null is "null", which it does
// not.
func (m *Mapping) KeyTexts(key []state.Value) []string {
	out := make([]string, len(key))
	for i, v := range key {
		out[i] = v.String()
		if i < len(m.keys) && !v.IsNull() && unsigned(m.keys[i].Field().Kind()) {
			out[i] = strconv.FormatUint(uint64(v.Long()), 10) // records have its bits
		}
	}
	return out
}

func unsigned(k protoreflect.Kind) bool {
	return k == protoreflect.Uint64Kind || k == protoreflect.Fixed64Kind
}

func parseKey(f protoreflect.FieldDescriptor, text string) (v protoreflect.Value, err error) {
	switch f.Kind() {
	case protoreflect.StringKind:
		if !utf8.ValidString(text) {
			return v, &ValueError{Err: state.ErrIllFormed}
		}
		return protoreflect.ValueOfString(text), nil
	case protoreflect.BytesKind:
		b, err := base64.StdEncoding.DecodeString(text)
		return protoreflect.ValueOfBytes(b), keyError("bytes in base64", text, err)
	case protoreflect.BoolKind:
		if text != "true" && text != "false" {
			err = strconv.ErrSyntax
		}
		return protoreflect.ValueOfBool(text == "true"), keyError("true or false", text, err)
	case protoreflect.FloatKind:
		x, err := strconv.ParseFloat(text, 32)
		return protoreflect.ValueOfFloat32(float32(x)), keyError("a number", text, err)
	case protoreflect.DoubleKind:
		x, err := strconv.ParseFloat(text, 64)
		return protoreflect.ValueOfFloat64(x), keyError("a number", text, err)
	case protoreflect.EnumKind:
		x := f.Enum().Values().ByName(protoreflect.Name(text))
		if x == nil {
			return v, keyError("one of "+valueNames(f.Enum()), text, ErrUnnamedEnum)
		}
		return protoreflect.ValueOfEnum(x.Number()), nil
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		n, err := strconv.ParseInt(text, 10, 32)
		return protoreflect.ValueOfInt32(int32(n)), keyError("a 32-bit integer", text, err)
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		n, err := strconv.ParseInt(text, 10, 64)
		return protoreflect.ValueOfInt64(n), keyError("a 64-bit integer", text, err)
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		n, err := strconv.ParseUint(text, 10, 32)
		return protoreflect.ValueOfUint32(uint32(n)), keyError("an unsigned 32-bit integer", text, err)
	}
	n, err := strconv.ParseUint(text, 10, 64)
	return protoreflect.ValueOfUint64(n), keyError("an unsigned 64-bit integer", text, err)
}

// maxNames bounds the names of an enum that an error lists.
const maxNames = 30

// valueNames lists the names of an enum's values.
func valueNames(e protoreflect.EnumDescriptor) string {
	var names []string
	for i := range min(e.Values().Len(), maxNames) {
		names = append(names, string(e.Values().Get(i).Name()))
	}
	if more := e.Values().Len() - maxNames; more > 0 {
		names = append(names, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(names, ", ")
}

func keyError(want, text string, err error) error {
	if err == nil {
		return nil
	}
	return &ValueError{Err: fmt.Errorf("%.60q is not %s", text, want)}
}

// KeyOf returns the key of msg, a message of the root type. A message on a path
// that is absent gives null.
func (m *Mapping) KeyOf(msg protoreflect.Message) ([]state.Value, error) {
	own, err := m.own(msg)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	out := make([]state.Value, len(m.keys))
	for i, k := range m.keys {
		if out[i], err = keyValue(own, k.Fields); err != nil {
			return nil, fmt.Errorf("read key: %w", at(k.Path, err))
		}
	}
	return out, nil
}

func keyValue(msg protoreflect.Message, path []protoreflect.FieldDescriptor) (state.Value, error) {
	for i, f := range path {
		if f.HasPresence() && !msg.Has(f) {
			return state.Null(), nil
		}
		if i == len(path)-1 {
			return scalarValue(f, msg.Get(f))
		}
		msg = msg.Get(f).Message()
	}
	return state.Null(), nil
}

// RequestKey returns the key that a request message of the redeclared file
// holds: field i+1 is the i'th field of the key.
func (m *Mapping) RequestKey(request protoreflect.Message) ([]state.Value, error) {
	out := make([]state.Value, len(m.keys))
	for i, k := range m.keys {
		f := request.Descriptor().Fields().ByNumber(protoreflect.FieldNumber(i + 1))
		if f == nil || f.Kind() != k.Field().Kind() {
			return nil, fmt.Errorf("read key: %s has no field %s: %w", request.Descriptor().FullName(), k.Name, ErrBadKey)
		}
		v, err := scalarValue(f, request.Get(f))
		if err != nil {
			return nil, fmt.Errorf("read key: %w: %w", ErrBadKey, at(k.Name, err))
		}
		out[i] = v
	}
	return out, nil
}
