package protomap

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

// Causes of errors about JSON.
var (
	// ErrNotRecord says that a text is not one record of the dataset as
	// ProtoJSON.
	ErrNotRecord = errors.New("not a record")
	// ErrMissingKey says that a record lacks a field of the key.
	ErrMissingKey = errors.New("key field is missing")
)

// ParseJSON reads one record in ProtoJSON: unknown fields, members that occur
// twice, null in a list or as a map's value, text that is not Unicode and all
// that follows the record are refused, as is a record that lacks a key field.
// Errors wrap ErrNotRecord or ErrMissingKey.
func (m *Mapping) ParseJSON(text []byte) (protoreflect.Message, error) {
	msg := dynamicpb.NewMessage(m.root.desc)
	options := protojson.UnmarshalOptions{RecursionLimit: m.limits.Depth}
	if err := options.Unmarshal(text, msg); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrNotRecord, plainError(err))
	}
	for _, k := range m.keys {
		if !hasKey(msg, text, k) {
			return nil, fmt.Errorf("%w: field %s", ErrMissingKey, k.Path)
		}
	}
	return msg, nil
}

var jsonPosition = regexp.MustCompile(`^proto:\s*(syntax error )?\(line \d+:(\d+)\): `)

// plainError words an error of the JSON decoder without its line number, which
// is always 1, and without the spaces that it varies on purpose.
func plainError(err error) string {
	text := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	if at := jsonPosition.FindStringSubmatch(text); at != nil {
		return "column " + at[2] + ": " + text[len(at[0]):]
	}
	return strings.TrimSpace(strings.TrimPrefix(text, "proto:"))
}

// hasKey says whether the record has the key field, even if its value is the
// default one.
func hasKey(msg protoreflect.Message, text []byte, k KeyField) bool {
	for i, f := range k.Fields {
		if msg.Has(f) {
			if i < len(k.Fields)-1 {
				msg = msg.Get(f).Message()
			}
			continue
		}
		return !f.HasPresence() && mentions(text, k.Fields)
	}
	return true
}

// mentions says whether the JSON text has a value other than null at a path.
func mentions(text []byte, path []protoreflect.FieldDescriptor) bool {
	for _, f := range path {
		var members map[string]json.RawMessage
		if json.Unmarshal(text, &members) != nil {
			return false
		}
		var ok bool
		if text, ok = members[string(f.Name())]; !ok {
			text, ok = members[f.JSONName()]
		}
		if !ok || string(text) == "null" {
			return false
		}
	}
	return true
}
