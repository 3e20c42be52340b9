package protomap

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state"
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
// Errors wrap ErrNotRecord or ErrMissingKey, and a *ValueError that says where.
func (m *Mapping) ParseJSON(text []byte) (protoreflect.Message, error) {
	msg := dynamicpb.NewMessage(m.root.desc)
	options := protojson.UnmarshalOptions{RecursionLimit: min(m.limits.Depth, state.MaxDepth)}
	if err := options.Unmarshal(text, msg); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotRecord, m.explain(text, err))
	}
	for _, k := range m.keys {
		if !hasKey(msg, text, k) {
			return nil, fmt.Errorf("%w: field %s: write it, also if it has its default value", ErrMissingKey, k.Path)
		}
	}
	return msg, nil
}

var jsonPosition = regexp.MustCompile(`^proto:\s*(?:syntax error )?\(line (\d+):(\d+)\): `)

// explain says where in the record an error of the JSON decoder is. Its texts
// vary in their spaces on purpose; here they do not.
func (m *Mapping) explain(text []byte, err error) error {
	cause := strings.ReplaceAll(err.Error(), "\u00a0", " ")
	offset := len(text)
	if found := jsonPosition.FindStringSubmatch(cause); found != nil {
		cause = cause[len(found[0]):]
		line, _ := strconv.Atoi(found[1])
		column, _ := strconv.Atoi(found[2])
		offset = offsetOf(text, line, column)
		if cause = "column " + found[2] + ": " + cause; line > 1 {
			cause = "line " + found[1] + ", " + cause
		}
	}
	if strings.Contains(cause, "max recursion depth") {
		return &ValueError{Err: tooDeep(min(m.limits.Depth, state.MaxDepth))}
	}
	path, wellFormed := locate(text, offset, m.root.desc)
	if !wellFormed {
		return &ValueError{path, state.ErrIllFormed}
	}
	return &ValueError{path, errors.New(short(dataset.Printable(strings.TrimSpace(strings.TrimPrefix(cause, "proto:"))), 300))}
}

// short cuts a text for a message.
func short(text string, max int) string {
	if len(text) <= max {
		return text
	}
	return strings.ToValidUTF8(text[:max], "") + "…"
}

// offsetOf is the inverse of a line and a column, in characters, both from 1.
func offsetOf(text []byte, line, column int) int {
	at := 0
	for i := 1; i < line && at < len(text); at++ {
		if text[at] == '\n' {
			i++
		}
	}
	for i := 1; i < column && at < len(text); i++ {
		_, size := utf8.DecodeRune(text[at:])
		at += size
	}
	return at
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
