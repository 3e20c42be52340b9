package state

import (
	"container/heap"
	"fmt"
	"slices"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// Kind is the shape of a type's records.
type Kind uint8

// The kinds of types.
const (
	Object Kind = iota + 1 // named fields
	List                   // ordered ordinals of one type
	Set                    // unordered ordinals of one type
	Map                    // ordinals of one type to ordinals of another
)

// String returns OBJECT, LIST, SET or MAP.
func (k Kind) String() string {
	return [...]string{"NONE", "OBJECT", "LIST", "SET", "MAP"}[k]
}

// FieldType is the type of one field of an OBJECT.
type FieldType uint8

// The types of fields.
const (
	Int       FieldType = iota + 1 // 32 bits signed; -2^31 cannot be held
	Long                           // 64 bits signed; -2^63 cannot be held
	Boolean                        // true or false
	Float                          // 32-bit IEEE, no NaN
	Double                         // 64-bit IEEE, no NaN
	String                         // UTF-16 text
	Bytes                          // bytes
	Reference                      // ordinal of a record of another type
)

var fieldTypeNames = [...]string{"", "INT", "LONG", "BOOLEAN", "FLOAT", "DOUBLE", "STRING", "BYTES", "REFERENCE"}

// String returns the name that blobs use, such as INT.
func (t FieldType) String() string { return fieldTypeNames[t] }

// variable says whether values of t have a length of their own.
func (t FieldType) variable() bool { return t == String || t == Bytes }

// A Field is one member of an OBJECT type.
type Field struct {
	Name string
	Type FieldType
	Ref  string // the type referred to, if Type is Reference
}

// A Schema is the structure of one type. Schemas are not changed once they are
// in use.
type Schema struct {
	Name   string
	Kind   Kind
	Fields []Field // of an OBJECT, in order

	// Key holds field paths: the primary key of an OBJECT, the hash key of a
	// SET (over its elements) or MAP (over its keys). Empty means none.
	Key []string

	Element string // the type of LIST and SET elements and of MAP keys
	Value   string // the type of MAP values
}

// FieldIndex returns the position of the field of that name, or -1.
func (s *Schema) FieldIndex(name string) int {
	return slices.IndexFunc(s.Fields, func(f Field) bool { return f.Name == name })
}

// Equal says whether two schemas say the same.
func (s *Schema) Equal(o *Schema) bool {
	return s.Name == o.Name && s.Kind == o.Kind && s.Element == o.Element && s.Value == o.Value &&
		slices.Equal(s.Fields, o.Fields) && slices.Equal(s.Key, o.Key)
}

// References returns the names of the types that s refers to, in order of
// appearance, possibly repeated.
func (s *Schema) References() []string {
	switch s.Kind {
	case Object:
		var names []string
		for _, f := range s.Fields {
			if f.Type == Reference {
				names = append(names, f.Ref)
			}
		}
		return names
	case Map:
		return []string{s.Element, s.Value}
	}
	return []string{s.Element}
}

// String returns the printed form, exactly as Hollow prints it.
func (s *Schema) String() string {
	var b strings.Builder
	b.WriteString(s.Name)
	switch s.Kind {
	case Object:
		s.printKey(&b, "PrimaryKey")
		b.WriteString(" {\n")
		for _, f := range s.Fields {
			name := strings.ToLower(f.Type.String())
			if f.Type == Reference {
				name = f.Ref
			}
			fmt.Fprintf(&b, "\t%s %s;\n", name, f.Name)
		}
		b.WriteString("}")
	case List:
		fmt.Fprintf(&b, " List<%s>;", s.Element)
	case Set:
		fmt.Fprintf(&b, " Set<%s>", s.Element)
		s.printKey(&b, "HashKey")
		b.WriteString(";")
	case Map:
		fmt.Fprintf(&b, " Map<%s,%s>", s.Element, s.Value)
		s.printKey(&b, "HashKey")
		b.WriteString(";")
	}
	return b.String()
}

func (s *Schema) printKey(b *strings.Builder, word string) {
	if len(s.Key) > 0 {
		fmt.Fprintf(b, " @%s(%s)", word, strings.Join(s.Key, ", "))
	}
}

// SortSchemas returns the schemas by name in order of UTF-16 code units, the
// order of Hollow's hashes and dumps.
func SortSchemas(schemas []*Schema) []*Schema {
	out := slices.Clone(schemas)
	slices.SortFunc(out, func(a, b *Schema) int { return compareUTF16(a.Name, b.Name) })
	return out
}

// compareUTF16 orders strings by UTF-16 code units, as Java does.
func compareUTF16(a, b string) int {
	if isASCII(a) && isASCII(b) { // as nearly all names are, which each version sorts
		return strings.Compare(a, b)
	}
	return slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// SchemaHash is the value of Hollow's header tag hollow.schema.hash.
func SchemaHash(schemas []*Schema) int32 {
	var text []byte
	for _, s := range SortSchemas(schemas) {
		text = append(text, s.String()...)
	}
	return wire.Murmur(wire.AppendString(nil, text))
}

// DependencyOrder returns the schemas so that a type comes after those that it
// refers to, ties by name; types on cycles, and those from which references lead to
// one, come last, by name. It is the order in which blobs list types.
func DependencyOrder(schemas []*Schema) []*Schema {
	w := newWaitingTypes(SortSchemas(schemas))
	out := make([]*Schema, 0, len(w.sorted))
	taken := make([]bool, len(w.sorted))
	for w.ready.Len() > 0 {
		i := heap.Pop(&w.ready).(int)
		out, taken[i] = append(out, w.sorted[i]), true
		w.take(w.sorted[i].Name)
	}
	for i, s := range w.sorted {
		if !taken[i] {
			out = append(out, s)
		}
	}
	return out
}

// waitingTypes knows which types wait for which, so that an order of n types
// and m references takes n log n + m steps: schemas come from files that anyone
// may have written.
type waitingTypes struct {
	sorted  []*Schema
	ready   positions        // in sorted, of types that wait for none
	missing []int            // for each in sorted: how many names it waits for
	waiting map[string][]int // positions in sorted by the name that they wait for
}

func newWaitingTypes(sorted []*Schema) *waitingTypes {
	w := &waitingTypes{sorted: sorted, missing: make([]int, len(sorted)), waiting: make(map[string][]int, len(sorted))}
	for _, s := range sorted {
		w.waiting[s.Name] = nil // is among them
	}
	for i, s := range sorted {
		names := s.References()
		slices.Sort(names)
		for _, name := range slices.Compact(names) {
			if others, ok := w.waiting[name]; ok {
				w.waiting[name] = append(others, i)
				w.missing[i]++
			}
		}
		if w.missing[i] == 0 {
			w.ready = append(w.ready, i) // ascending, so a heap
		}
	}
	return w
}

// take makes those ready that waited for nothing but a name.
func (w *waitingTypes) take(name string) {
	for _, i := range w.waiting[name] {
		if w.missing[i]--; w.missing[i] == 0 {
			heap.Push(&w.ready, i)
		}
	}
	delete(w.waiting, name) // a second type of the name frees nobody
}

// positions is a heap of positions in a list, the lowest first.
type positions []int

func (p positions) Len() int           { return len(p) }
func (p positions) Less(i, j int) bool { return p[i] < p[j] }
func (p positions) Swap(i, j int)      { p[i], p[j] = p[j], p[i] }
func (p *positions) Push(x any)        { *p = append(*p, x.(int)) }
func (p *positions) Pop() any {
	old := *p
	last := old[len(old)-1]
	*p = old[:len(old)-1]
	return last
}
