package protomap

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// TestDeriveAnySchemas derives declarations for random types whose names
// collide in every way: each compiles, can be redeclared, and misses no field
// but those it says.
func TestDeriveAnySchemas(t *testing.T) {
	typeNames := []string{
		"A", "B", "a", "A_B", "A-B", "A.B", "ÄÖ", "9x", "string", "int32", "map", "option", "message", "holdfast", "google", "to",
		"AEntry", "BEntry", "AElements", "AElements_", "Entry", "Result", "Root_", "_",
	}
	fieldNames := []string{"a", "b", "A", "a_b", "aB", "a_B", "_a", "a_", "_", "__", "a-b", "ä", "1a", "message", "string", "option", "a1", "a_1", "holdfast", "google", "Root", "AEntry", "a_entry"}
	scalars := []state.FieldType{state.Int, state.Long, state.Boolean, state.Float, state.Double, state.String, state.Bytes}
	rapid.Check(t, func(t *rapid.T) {
		used := rapid.SliceOfNDistinct(rapid.SampledFrom(typeNames), 1, 8, rapid.ID).Draw(t, "types")
		ref := rapid.SampledFrom(append(used, "Absent"))
		fields := func(names []string) (out []state.Field) {
			for _, name := range names {
				f := state.Field{Name: name, Type: rapid.SampledFrom(append(scalars, state.Reference, state.Reference, state.Reference)).Draw(t, "type")}
				if f.Type == state.Reference {
					f.Ref = ref.Draw(t, "ref")
				}
				out = append(out, f)
			}
			return out
		}
		schemas := map[string]*state.Schema{}
		for _, name := range used {
			s := &state.Schema{Name: name, Kind: rapid.SampledFrom([]state.Kind{state.Object, state.Object, state.List, state.Set, state.Map}).Draw(t, "kind")}
			switch s.Kind {
			case state.Object:
				s.Fields = fields(rapid.SliceOfNDistinct(rapid.SampledFrom(fieldNames), 0, 5, rapid.ID).Draw(t, "fields"))
			case state.Map:
				s.Element, s.Value = ref.Draw(t, "key"), ref.Draw(t, "value")
			default:
				s.Element = ref.Draw(t, "element")
			}
			schemas[name] = s
		}
		root := &state.Schema{Name: "Root", Kind: state.Object, Key: []string{"id"}, Fields: []state.Field{{Name: "id", Type: state.Long}}}
		root.Fields = append(root.Fields, fields(rapid.SliceOfNDistinct(rapid.SampledFrom(fieldNames), 1, 12, rapid.ID).Draw(t, "root"))...)
		schemas["Root"] = root
		text, _ := Derive(schemas, "Root")
		m, err := Derived(schemas, "Root")
		if err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		if _, err := servableSource(m); err != nil {
			t.Fatalf("%v of\n%s", err, text)
		}
		seen := map[string]bool{} // names in JSON
		for i, f := range root.Fields {
			d := m.Message().Fields().ByNumber(protoreflect.FieldNumber(i + 1))
			if d != nil && string(d.Name()) != f.Name {
				t.Fatalf("field %d is %s, not %s", i+1, d.Name(), f.Name)
			}
			name := usualJSONName(f.Name)
			said := strings.Contains(text, fmt.Sprintf("// Field %d, %s, and field ", i+1, f.Name)) // which needs its name for a map
			if d == nil && f.Type != state.Reference && identifier.MatchString(f.Name) && !seen[name] && !said {
				t.Fatalf("field %s is missing of\n%s", f.Name, text)
			}
			seen[name] = seen[name] || d != nil
		}
	})
}

func servableSource(m *Mapping) (string, error) {
	file, err := Redeclare(m, "derived")
	if err != nil {
		return "", fmt.Errorf("redeclare: %w", err)
	}
	return Source(file)
}
