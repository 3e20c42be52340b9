package blob

import (
	"encoding"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
)

// members looks at the names in a JSON text, which is valid and was decoded:
// Go's decoder takes a member that is there twice, the last of them, and one
// whose name differs from the field's in the case of letters, and other readers
// take another one.
type members struct {
	text []byte
	at   int
}

// value returns ErrMalformed if an object in the next value, which was decoded
// into a t, has a member twice or not written as its field. t is nil where only
// repetition counts.
func (m *members) value(t reflect.Type) error {
	switch m.next() {
	case '{':
		return m.object(shapeOf(t))
	case '[':
		element := shapeOf(t).element
		for m.at++; m.next() != ']'; m.comma() {
			if err := m.value(element); err != nil {
				return err
			}
		}
		m.at++
	case '"':
		m.quoted()
	default: // a number or a word
		for m.at < len(m.text) && !strings.ContainsRune(",]} \t\r\n", rune(m.text[m.at])) {
			m.at++
		}
	}
	return nil
}

func (m *members) object(s *shape) error {
	seen := map[string]bool{}
	for m.at++; m.next() != '}'; m.comma() {
		f, err := s.member(m.quoted())
		if err != nil {
			return err
		}
		if seen[f.name] {
			return fmt.Errorf("%w: member %.40q is there twice", ErrMalformed, f.name)
		}
		seen[f.name] = true
		m.next() // the colon
		m.at++
		if err := m.value(f.of); err != nil {
			return err
		}
	}
	m.at++
	return nil
}

// next moves to what is next not blank, and returns it.
func (m *members) next() byte {
	for m.text[m.at] <= ' ' {
		m.at++
	}
	return m.text[m.at]
}

// comma moves behind a comma, if one is next.
func (m *members) comma() {
	if m.next() == ',' {
		m.at++
	}
}

// quoted moves behind a text and returns it with its quotes.
func (m *members) quoted() []byte {
	start := m.at
	for m.at++; m.text[m.at] != '"'; m.at++ {
		if m.text[m.at] == '\\' {
			m.at++
		}
	}
	m.at++
	return m.text[start:m.at]
}

// shape is what of a type decides which names an object may have.
type shape struct {
	fields  map[string]field // of a struct, by quoted name; else nil
	element reflect.Type     // of a list or the values of a map; else nil
}

type field struct {
	name string
	of   reflect.Type
}

// shapes remembers the shapes of types, which never change.
var shapes sync.Map

// shapeOf returns the shape of t, which may be nil. Of a type that decodes
// itself nothing is known. No field is embedded.
func shapeOf(t reflect.Type) *shape {
	if known, ok := shapes.Load(t); ok {
		return known.(*shape)
	}
	s, plain := &shape{}, t
	for plain != nil && plain.Kind() == reflect.Pointer {
		plain = plain.Elem()
	}
	switch {
	case plain == nil,
		reflect.PointerTo(plain).Implements(reflect.TypeFor[json.Unmarshaler]()),
		reflect.PointerTo(plain).Implements(reflect.TypeFor[encoding.TextUnmarshaler]()):
	case plain.Kind() == reflect.Slice, plain.Kind() == reflect.Map:
		s.element = plain.Elem()
	case plain.Kind() == reflect.Struct:
		s.fields = make(map[string]field, plain.NumField())
		for i := range plain.NumField() {
			f := plain.Field(i)
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name == "" {
				name = f.Name
			}
			s.fields[`"`+name+`"`] = field{name, f.Type}
		}
	}
	shapes.Store(t, s)
	return s
}

// member returns the member of a name, or ErrMalformed if that is not written
// as the field's. Names of other objects than structs are free.
func (s *shape) member(quoted []byte) (field, error) {
	if f, ok := s.fields[string(quoted)]; ok {
		return f, nil
	}
	f := field{of: s.element}
	if err := json.Unmarshal(quoted, &f.name); err != nil {
		return f, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if s.fields == nil {
		return f, nil
	}
	for _, known := range s.fields {
		if strings.EqualFold(known.name, f.name) {
			return f, fmt.Errorf("%w: member %.40s is not written %q", ErrMalformed, quoted, known.name)
		}
	}
	return f, fmt.Errorf("%w: member %.40q is unknown", ErrMalformed, f.name)
}
