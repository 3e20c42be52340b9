package protomap

import (
	"errors"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/internal/fuzzing"
)

// declarationLimit is what compiling may allocate: two thousand bytes for each
// of a text, and what the files cost that every declaration imports.
var declarationLimit = fuzzing.Limit{Fixed: 32 << 20, PerByte: 8000}

// FuzzCompile compiles any text as a declaration that imports another any text.
// What is compiled is read again from its descriptor set, and is the same.
func FuzzCompile(f *testing.F) {
	for _, text := range []string{richSource, measuredRoot + "}\n", chain(5), measuredRoot + "map<string, E> m = 2;\n}\nenum E { A = 0; }\n"} {
		f.Add(text, "syntax = \"proto3\";\nmessage Other { int32 a = 1; }\n")
	}
	f.Add(strings.Replace(measuredRoot, "message", "import public \"b.proto\"; message", 1)+"Other o = 2;}", "syntax = \"proto2\";\nmessage Other { optional group G = 1 {} extensions 5; }\n")
	f.Add("edition = \"2023\";\n"+strings.TrimPrefix(measuredRoot, "syntax = \"proto3\";\n")+"}", "")
	f.Fuzz(func(t *testing.T, text, other string) {
		var m *Mapping
		var err error
		declarationLimit.Check(t, "declaration", len(text)+len(other), func() {
			m, err = compileTexts(t.Context(), map[string]string{"a.proto": text, "b.proto": other})
		})
		if err != nil {
			return
		}
		again, err := FromDescriptorSet(m.DescriptorSet())
		if err != nil {
			t.Fatalf("compiled, but its descriptor set is refused: %v", err)
		}
		if len(again.Schemas()) != len(m.Schemas()) {
			t.Fatalf("%d types, again %d", len(m.Schemas()), len(again.Schemas()))
		}
		for i, s := range m.Schemas() {
			if !s.Equal(again.Schemas()[i]) {
				t.Errorf("type %s, again %s", s, again.Schemas()[i])
			}
		}
		if _, err := Redeclare(m, "dataset"); err != nil {
			t.Errorf("compiled, but not to be redeclared: %v", err)
		}
	})
}

// FuzzDescriptorSet maps any bytes as a stored declaration. What is mapped can
// be served, or that is refused with a cause.
func FuzzDescriptorSet(f *testing.F) {
	for _, text := range []string{richSource, measuredRoot + "}\n", chain(5)} {
		m, err := compileTexts(f.Context(), map[string]string{"a.proto": text})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(m.DescriptorSet())
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var m *Mapping
		var err error
		declarationLimit.Check(t, "descriptor set", len(b), func() { m, err = FromDescriptorSet(b) })
		if err != nil {
			return
		}
		var where *SchemaError
		declarationLimit.Check(t, "service of a descriptor set", len(b), func() { err = m.servable() })
		if err != nil && !errors.As(err, &where) && !errors.Is(err, ErrUnsupported) {
			t.Logf("cannot be served: %v", err) // the library's
		}
	})
}
