package state

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"slices"
	"unicode/utf8"

	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// Content bytes are what makes two records of one type the same record. They
// exist only while a state is built; they are not a format. References come
// first and take 4 bytes each, little-endian, so that they are found and
// replaced without reading the rest.
//
//	OBJECT  per REFERENCE field: the ordinal + 1, null is 0; then per other field:
//	        a number as in pages (uvarint, null is 0), the bits of a FLOAT or
//	        DOUBLE, or length+1 (uvarint, null is 0) and the bytes
//	LIST    elements
//	SET     elements in ascending order
//	MAP     keys and values by ascending key

// appendContent appends the content bytes of a record.
func appendContent(b []byte, r Record) []byte {
	if k := r.t.schema.Kind; k != Object {
		return appendCollectionContent(b, r, k)
	}
	for f, field := range r.t.schema.Fields {
		if field.Type == Reference {
			b = binary.LittleEndian.AppendUint32(b, uint32(r.fixed(f)))
		}
	}
	for f, field := range r.t.schema.Fields {
		switch {
		case field.Type == Reference:
		case field.Type.variable():
			text, null := r.span(f)
			b = appendTextContent(b, text, null)
		default:
			b = appendNumberContent(b, field.Type, r.fixed(f))
		}
	}
	return b
}

func appendCollectionContent(b []byte, r Record, k Kind) []byte {
	start := len(b)
	p := r.page()
	for e, end := p.entries(r.slot()); e < end; e++ {
		b = binary.LittleEndian.AppendUint32(b, uint32(p.entry(e, 0)))
		if k == Map {
			b = binary.LittleEndian.AppendUint32(b, uint32(p.entry(e, 1)))
		}
	}
	sortContent(b[start:], k)
	return b
}

// sortContent puts the entries of a SET or MAP in order.
func sortContent(content []byte, k Kind) {
	var few [32]uint64
	list := few[:0]
	switch k {
	case Set:
		for b := content; len(b) > 0; b = b[4:] {
			list = append(list, uint64(binary.LittleEndian.Uint32(b)))
		}
		slices.Sort(list)
		for i, x := range list {
			binary.LittleEndian.PutUint32(content[4*i:], uint32(x))
		}
	case Map:
		for b := content; len(b) > 0; b = b[8:] { // a key is in it once
			list = append(list, bits.RotateLeft64(binary.LittleEndian.Uint64(b), 32))
		}
		slices.Sort(list)
		for i, x := range list {
			binary.LittleEndian.PutUint64(content[8*i:], bits.RotateLeft64(x, 32))
		}
	}
}

// byElement orders entries by element or key.
func byElement(x, y collectionEntry) int { return cmp.Compare(x.element, y.element) }

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

// appendValueContent appends the content of one value of a field that is no
// reference; it must be of the field's type or null. It fails with ErrNotStorable or ErrIllFormed.
func appendValueContent(b []byte, f *Field, v Value) ([]byte, error) {
	if v.IsNull() {
		if f.Type.variable() {
			return append(b, 0), nil
		}
		return appendNumberContent(b, f.Type, nullBits(f.Type)), nil
	}
	if v.kind != f.Type {
		return b, wrongType(f, v)
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
	case Boolean:
		return appendNumberContent(b, Boolean, v.num+1), nil
	}
	return appendNumberContent(b, f.Type, v.num), nil
}

func wrongType(f *Field, v Value) error {
	return fmt.Errorf("field %s is %v, the value is %v: %w", f.Name, f.Type, v.kind, ErrNotStorable)
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
		if field.Type == Reference {
			b.nums[f][i] = uint64(binary.LittleEndian.Uint32(content))
			content = content[4:]
		}
	}
	for f, field := range b.schema.Fields {
		switch field.Type {
		case Reference:
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
	for len(content) > 0 {
		e := collectionEntry{element: binary.LittleEndian.Uint32(content)}
		content = content[4:]
		if kind == Map {
			e.value = binary.LittleEndian.Uint32(content)
			content = content[4:]
		}
		list = append(list, e)
	}
	return list
}
