package protomap

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// level is an object or list of a JSON text that is being read.
type level struct {
	list    bool
	n       int                            // elements that have begun
	name    string                         // of the last member
	inside  bool                           // a member's name has been read, its value has not
	members protoreflect.MessageDescriptor // of an object; nil for a map's, or if it is unknown
	field   protoreflect.FieldDescriptor   // whose value or values come next, nil if it is unknown
}

// locate returns the path of the value at an offset of a JSON text, as far as
// the text can be read. It stops at the first string that is not Unicode.
func locate(text []byte, offset int, root protoreflect.MessageDescriptor) (path string, wellFormed bool) {
	var levels []level
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	for {
		before := int(decoder.InputOffset())
		token, err := decoder.Token()
		if err != nil {
			return pathOf(levels), true
		}
		isName := begin(levels, token)
		after := int(decoder.InputOffset())
		if _, ok := token.(string); ok && !unicodeText(text[before:after]) {
			return pathOf(levels), false
		}
		if after > offset {
			return pathOf(levels), true
		}
		if !isName {
			levels = end(levels, token, root)
		}
	}
}

// begin moves to a token: to the next element, or to a member by its name.
func begin(levels []level, token json.Token) (isName bool) {
	if len(levels) == 0 || token == json.Delim('}') || token == json.Delim(']') {
		return false
	}
	at := &levels[len(levels)-1]
	if at.list || at.inside {
		at.n++
		return false
	}
	at.name, at.inside = token.(string), true
	if at.members != nil {
		at.field = at.members.Fields().ByJSONName(at.name)
		if at.field == nil {
			at.field = at.members.Fields().ByTextName(at.name)
		}
	}
	return true
}

// end moves behind a value, or into the object or list that it is.
func end(levels []level, token json.Token, root protoreflect.MessageDescriptor) []level {
	switch token {
	case json.Delim('{'), json.Delim('['):
		next := level{list: token == json.Delim('['), members: root}
		if n := len(levels); n > 0 {
			next.members, next.field = inside(&levels[n-1])
		}
		return append(levels, next)
	case json.Delim('}'), json.Delim(']'):
		levels = levels[:len(levels)-1]
	}
	if n := len(levels); n > 0 {
		levels[n-1].inside = false
	}
	return levels
}

// inside returns what an object or list in at holds.
func inside(at *level) (protoreflect.MessageDescriptor, protoreflect.FieldDescriptor) {
	f := at.field
	switch {
	case f == nil:
		return nil, nil
	case f.IsMap() && at.members == nil:
		return f.MapValue().Message(), nil
	case f.IsMap():
		return nil, f
	}
	return f.Message(), f
}

func pathOf(levels []level) string {
	var b strings.Builder
	for _, at := range levels {
		switch {
		case at.list && at.n > 0:
			b.WriteString("[" + strconv.Itoa(at.n-1) + "]")
		case !at.inside:
		case at.members == nil && at.field != nil:
			b.WriteString("[" + strconv.Quote(short(at.name, 60)) + "]")
		default:
			if b.Len() > 0 {
				b.WriteByte('.')
			}
			name := short(dataset.Printable(at.name), 60)
			if at.field != nil {
				name = string(at.field.Name())
			}
			b.WriteString(name)
		}
	}
	return b.String()
}

// unicodeText says whether a JSON string has no unpaired surrogate and no
// ill-formed UTF-8.
func unicodeText(text []byte) bool {
	if !utf8.Valid(text) {
		return false
	}
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' {
			continue
		}
		first, ok := escaped(text[i:])
		if !ok {
			i++ // another escape
			continue
		}
		i += 5
		if !utf16.IsSurrogate(first) {
			continue
		}
		second, ok := escaped(text[i+1:])
		if !ok || utf16.DecodeRune(first, second) == utf8.RuneError {
			return false
		}
		i += 6
	}
	return true
}

// escaped reads an escape such as \u00e4.
func escaped(text []byte) (rune, bool) {
	if len(text) < 6 || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	x, err := strconv.ParseUint(string(text[2:6]), 16, 16)
	return rune(x), err == nil
}
