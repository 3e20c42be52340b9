package state

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"

	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// Content bytes are what makes two records of one type the same record. They
// exist only while a state is built; they are not a format.
//
//	OBJECT  per field: a number as in pages (uvarint, null is 0), the bits of a
//	        FLOAT or DOUBLE, or length+1 (uvarint, null is 0) and the bytes
//	LIST    count, elements
//	SET     count, elements in ascending order
//	MAP     count, keys and values by ascending key

// appendContent appends the content bytes of a record.
func appendContent(b []byte, r Record) []byte {
	if r.t.schema.Kind != Object {
		list := appendEntries(nil, r.page(), r.slot())
		if r.t.schema.Kind != List {
			slices.SortFunc(list, byElement)
		}
		return appendEntryContent(b, list, r.t.schema.Kind)
	}
	for f, field := range r.t.schema.Fields {
		if field.Type.variable() {
			text, null := r.span(f)
			b = appendTextContent(b, text, null)
			continue
		}
		b = appendNumberContent(b, field.Type, r.fixed(f))
	}
	return b
}

// byElement orders entries by element or key.
func byElement(x, y collectionEntry) int { return cmp.Compare(x.element, y.element) }

func appendEntryContent(b []byte, list []collectionEntry, k Kind) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, e := range list {
		b = binary.AppendUvarint(b, uint64(e.element))
		if k == Map {
			b = binary.AppendUvarint(b, uint64(e.value))
		}
	}
	return b
}

func appendNumberContent(b []byte, t FieldType, x uint64) []byte {
	switch t {
	case Float:
		return binary.LittleEndian.AppendUint32(b, uint32(x))
	case Double:
		return binary.LittleEndian.AppendUint64(b, x)
	}
	return binary.AppendUvarint(b, x)
}

func appendTextContent(b, text []byte, null bool) []byte {
	if null {
		return append(b, 0)
	}
	b = binary.AppendUvarint(b, uint64(len(text))+1)
	return append(b, text...)
}

// appendValueContent appends the content of one value of a field, which must
// be of the field's type or null. It fails with ErrNotStorable or ErrIllFormed.
func appendValueContent(b []byte, f Field, v Value) ([]byte, error) {
	if v.IsNull() {
		if f.Type.variable() {
			return append(b, 0), nil
		}
		return appendNumberContent(b, f.Type, nullBits(f.Type)), nil
	}
	if v.kind != f.Type {
		return b, fmt.Errorf("field %s is %v, the value is %v: %w", f.Name, f.Type, v.kind, ErrNotStorable)
	}
	if err := checkStorable(v); err != nil {
		return b, fmt.Errorf("field %s: %w", f.Name, err)
	}
	switch f.Type {
	case String, Bytes:
		return appendTextContent(b, v.Data(), false), nil
	case Int:
		return appendNumberContent(b, Int, uint64(wire.ZigZag32(v.Int()))+1), nil
	case Long:
		return appendNumberContent(b, Long, wire.ZigZag64(v.Long())+1), nil
	case Boolean, Reference:
		return appendNumberContent(b, f.Type, v.num+1), nil
	}
	return appendNumberContent(b, f.Type, v.num), nil
}

func checkStorable(v Value) error {
	switch v.kind {
	case Int:
		if v.Int() == math.MinInt32 {
			return fmt.Errorf("INT -2^31: %w", ErrNotStorable)
		}
	case Long:
		if v.Long() == math.MinInt64 {
			return fmt.Errorf("LONG -2^63: %w", ErrNotStorable)
		}
	case Float:
		if v.Float() != v.Float() {
			return fmt.Errorf("NaN: %w", ErrNotStorable)
		}
	case Double:
		if v.Double() != v.Double() {
			return fmt.Errorf("NaN: %w", ErrNotStorable)
		}
	case String:
		if (v.num != held || !wire.IsRaw(v.Data())) && !utf8.ValidString(v.data) {
			return ErrIllFormed
		}
	}
	return nil
}

// loadContent sets slot i to the OBJECT with these content bytes.
func (b *pageBuilder) loadContent(content []byte, i int) {
	for f, field := range b.schema.Fields {
		switch field.Type {
		case Float:
			b.nums[f][i] = uint64(binary.LittleEndian.Uint32(content))
			content = content[4:]
		case Double:
			b.nums[f][i] = binary.LittleEndian.Uint64(content)
			content = content[8:]
		case String, Bytes:
			n, k := binary.Uvarint(content)
			content = content[k:]
			if n == 0 {
				b.setText(&b.texts[f], i, nil, true)
				continue
			}
			b.setText(&b.texts[f], i, content[:n-1], false)
			content = content[n-1:]
		default:
			n, k := binary.Uvarint(content)
			b.nums[f][i] = n
			content = content[k:]
		}
	}
}

// appendContentEntries appends the entries of a collection with these content
// bytes, without buckets.
func appendContentEntries(list []collectionEntry, content []byte, kind Kind) []collectionEntry {
	next := func() uint32 {
		n, k := binary.Uvarint(content)
		content = content[k:]
		return uint32(n)
	}
	for range next() {
		e := collectionEntry{element: next()}
		if kind == Map {
			e.value = next()
		}
		list = append(list, e)
	}
	return list
}

// eachReference calls f for each record that one with this content refers to,
// with its type.
func eachReference(s *Schema, content []byte, f func(typeName string, o Ordinal)) {
	next := func() uint64 {
		n, k := binary.Uvarint(content)
		content = content[k:]
		return n
	}
	if s.Kind != Object {
		for range next() {
			f(s.Element, Ordinal(next()))
			if s.Kind == Map {
				f(s.Value, Ordinal(next()))
			}
		}
		return
	}
	for _, field := range s.Fields {
		switch field.Type {
		case Float:
			content = content[4:]
		case Double:
			content = content[8:]
		case String, Bytes:
			if n := next(); n > 0 {
				content = content[n-1:]
			}
		case Reference:
			if n := next(); n > 0 {
				f(field.Ref, Ordinal(n-1))
			}
		default:
			next()
		}
	}
}
