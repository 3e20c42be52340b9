package protomap

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/holdfast-data/holdfast/internal/fuzzing"
	"github.com/holdfast-data/holdfast/pkg/state"
)

const (
	measuredHead = "syntax = \"proto3\";\nimport \"holdfast/v1/options.proto\";\n"
	measuredRoot = measuredHead + "message R {\n  option (holdfast.v1.dataset) = {key: [\"id\"]};\n  string id = 1;\n"
)

// compileTexts compiles a.proto of some files.
func compileTexts(ctx context.Context, files map[string]string) (*Mapping, error) {
	return Compile(ctx, "a.proto", func(path string) ([]byte, error) {
		if text, ok := files[path]; ok {
			return []byte(text), nil
		}
		return nil, os.ErrNotExist
	})
}

// repeat joins n texts, with their number in place of #.
func repeat(n int, text string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(text, "#", fmt.Sprint(i)))
	}
	return b.String()
}

// chain declares n messages, each of which has the next.
func chain(n int) string {
	var b strings.Builder
	b.WriteString(measuredRoot + "  M0 first = 2;\n}\n")
	for i := range n {
		fmt.Fprintf(&b, "message M%d { M%d next = 1; }\n", i, (i+1)%n)
	}
	return b.String()
}

// TestTooComplex holds that what takes more than its size to compile is refused
// before it is, with the limit.
func TestTooComplex(t *testing.T) {
	deep := func(n int, open, inside, shut string) string {
		return strings.Repeat(open, n) + inside + strings.Repeat(shut, n)
	}
	importing := map[string]string{"a.proto": measuredRoot + "}\nimport \"f0.proto\";"}
	for i := range MaxFiles + 1 {
		importing[fmt.Sprintf("f%d.proto", i)] = fmt.Sprintf("syntax = \"proto3\";\nimport \"f%d.proto\";", i+1)
	}
	public := map[string]string{"a.proto": measuredHead + "import \"f39.proto\";" + strings.TrimPrefix(measuredRoot, measuredHead) + "}\n", "f0.proto": "syntax = \"proto3\";\n"}
	for i := 1; i < 40; i++ {
		public[fmt.Sprintf("f%d.proto", i)] = "syntax = \"proto3\";\n" + repeat(i, "import public \"f#.proto\";\n")
	}
	one := func(text string) map[string]string { return map[string]string{"a.proto": text} }
	for name, c := range map[string]struct {
		files map[string]string
		words string // that the error has
	}{
		"size":            {one(chain(100) + strings.Repeat("// filler\n", MaxSource/10)), "a.proto: declaration is too large: with what it imports, the declaration has more than 1048576 bytes"},
		"size of imports": {map[string]string{"a.proto": measuredHead + "import \"b.proto\";\n", "b.proto": strings.Repeat("\n", MaxSource)}, "b.proto: "},
		"files":           {importing, "more than 500 files"},
		"public imports":  {public, "in more than 500 ways"},
		"imports":         {one(measuredRoot + "}\n" + repeat(maxImportWays, "import \"f#.proto\";\n")), "in more than 500 ways"},
		"types":           {one(chain(MaxTypes)), "at most 10000 types"},
		"option":          {one(measuredHead + "message R { option (x) =\n" + deep(100_000, "{a:", "1", "}") + ";\n}\n"), "a.proto:4: declaration is too large: it nests deeper than 32 levels"},
		"option in <>":    {one(measuredHead + "option (x) = {\n" + deep(100_000, "a<", "", ">") + "};\n"), "nests deeper"},
		"option in []":    {one(measuredHead + "option (x) = {a:\n" + deep(100_000, "[", "", "]") + "};\n"), "nests deeper"},
		"parentheses":     {one(measuredHead + "option " + deep(100_000, "(", "x", ")") + "=1;\n"), "nests deeper"},
		"wrong closers":   {one(measuredHead + "option (x) = " + deep(100, "{a:]", "", "}") + ";\n"), "nests deeper"},
		"messages":        {one(measuredRoot + "}\n" + deep(50_000, "message M {", "", "}")), "nests deeper"},
		"option's path":   {one(measuredHead + "option (x)" + strings.Repeat(".a\n", 100_000) + " = 1;\n"), "more than 64 parts"},
		"identifier":      {one(measuredRoot + strings.Repeat("x", maxName+1) + " y = 2;\n}\n"), "more than 1000 bytes"},
		"full name":       {one(measuredRoot + "}\nmessage " + strings.Repeat("x", 600) + " {\nmessage /* no word */ " + strings.Repeat("y", 600) + " // nor this\n { }\n}\n"), "more than 1000 bytes"},
		"column":          {one(measuredRoot + repeat(1000, "E# e# = 1#;") + "}\n" + repeat(1000, "enum E# { Z# = 0; }\n")), "a.proto:6: declaration is too large: the line has more than 4096 bytes"},
	} {
		var err error
		size := 0
		for _, text := range c.files {
			size += len(text)
		}
		fuzzing.Limit{Fixed: 16 << 20, PerByte: 500}.Check(t, name, size, func() { _, err = compileTexts(t.Context(), c.files) })
		var where *SchemaError
		if !errors.Is(err, ErrTooComplex) || !errors.As(err, &where) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("%s: error %.300v, want ErrTooComplex with %q", name, err, c.words)
		}
	}
}

// TestNotText refuses what is no UTF-8, on which the parser panics, with its
// line.
func TestNotText(t *testing.T) {
	_, err := compileTexts(t.Context(), map[string]string{"a.proto": "// ok\n\"\\\xfc"})
	if !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "a.proto:2: it is not UTF-8") {
		t.Errorf("error %v", err)
	}
	if list := importsOf("a.proto", []byte("import \"b.proto\";\n\"\\\xfc")); len(list) > 1 {
		t.Errorf("imports %v", list)
	}
}

// TestComplex holds that what only looks like too much is compiled.
func TestComplex(t *testing.T) {
	for name, text := range map[string]string{
		"signs in strings":  measuredRoot + "string s = 2 [deprecated = false, json_name = \"" + strings.Repeat("(", 100) + "\\\"'{{\"];\n}\n",
		"signs in comments": "// " + strings.Repeat("{", 100) + "\n/*" + strings.Repeat("[\n", 100) + " it's */" + measuredRoot + "}\n",
		"closed again":      measuredRoot + repeat(200, "message M# { oneof o { int32 a = 1; } }\n") + "}\n",
		"long comment":      measuredRoot + "} // " + strings.Repeat("x y {", 5000) + "\n",
		"one enum for all":  measuredRoot + repeat(3000, "E e# = 2#;\n") + "}\nenum E { Z = 0;\n" + repeat(3000, "V# = 1#;\n") + "}\n",
	} {
		var err error
		fuzzing.Limit{Fixed: 16 << 20, PerByte: 3000}.Check(t, name, len(text), func() { _, err = compileTexts(t.Context(), map[string]string{"a.proto": text}) })
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestLongChain compiles a chain of messages in time in proportion to it.
func TestLongChain(t *testing.T) {
	const n = 3000
	start := time.Now()
	m, err := compileTexts(t.Context(), map[string]string{"a.proto": chain(n)})
	if err != nil || len(m.Schemas()) != n+2 { // with the root and String
		t.Fatalf("%v", err)
	}
	if took := time.Since(start); took > 20*time.Second {
		t.Errorf("%d types took %v", n, took)
	}
}

// TestTooComplexSet holds that a stored declaration has the same limits.
func TestTooComplexSet(t *testing.T) {
	m, err := compileTexts(t.Context(), map[string]string{"a.proto": measuredRoot + "}\n"})
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*descriptorpb.FileDescriptorSet){
		"size": func(s *descriptorpb.FileDescriptorSet) {
			s.File[0].Dependency = append(s.File[0].Dependency, strings.Repeat("x", MaxDescriptorSet))
		},
		"files": func(s *descriptorpb.FileDescriptorSet) {
			for range MaxFiles {
				s.File = append(s.File, &descriptorpb.FileDescriptorProto{})
			}
		},
		"public imports": func(s *descriptorpb.FileDescriptorSet) {
			for i := range 40 { // those that are imported come last
				f := &descriptorpb.FileDescriptorProto{Name: new(fmt.Sprint(i))}
				for j := range i {
					f.Dependency, f.PublicDependency = append(f.Dependency, fmt.Sprint(j)), append(f.PublicDependency, int32(j))
				}
				s.File = append([]*descriptorpb.FileDescriptorProto{f}, s.File...)
			}
		},
		"messages in messages": func(s *descriptorpb.FileDescriptorSet) {
			d := s.File[0].MessageType[0]
			for range 5000 {
				next := &descriptorpb.DescriptorProto{Name: new("M")}
				d.NestedType, d = append(d.NestedType, next), next
			}
		},
		"a few too many of them": func(s *descriptorpb.FileDescriptorSet) {
			d := s.File[0].MessageType[0]
			for range maxNesting {
				next := &descriptorpb.DescriptorProto{Name: new("M")}
				d.NestedType, d = append(d.NestedType, next), next
			}
		},
		"long names": func(s *descriptorpb.FileDescriptorSet) {
			s.File[0].MessageType = append(s.File[0].MessageType, &descriptorpb.DescriptorProto{
				Name: new(strings.Repeat("x", 600)), Field: []*descriptorpb.FieldDescriptorProto{{Name: new(strings.Repeat("y", 600))}},
			})
		},
	} {
		var set descriptorpb.FileDescriptorSet
		if err := proto.Unmarshal(m.DescriptorSet(), &set); err != nil {
			t.Fatal(err)
		}
		change(&set)
		b, err := proto.Marshal(&set)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := FromDescriptorSet(b); !errors.Is(err, ErrTooComplex) {
			t.Errorf("%s: error %.300v, want ErrTooComplex", name, err)
		}
	}
}

// TestDeriveMany derives from schemas in time in proportion to their number,
// also if their names differ only in what no message can be called, and lists
// hold lists.
func TestDeriveMany(t *testing.T) {
	schemas := map[string]*state.Schema{"R": {Name: "R", Kind: state.Object, Key: []string{"id"}, Fields: []state.Field{{Name: "id", Type: state.Int}}}}
	const n = MaxTypes - 1
	for i := range n {
		name := strings.Repeat("é", i%100+1) + strings.Repeat("?", i/100+1)
		schemas[name] = &state.Schema{Name: name, Kind: state.List, Element: "R"}
		schemas["R"].Fields = append(schemas["R"].Fields, state.Field{Name: fmt.Sprint("f", i), Type: state.Reference, Ref: name})
	}
	start := time.Now()
	if _, err := Derive(schemas, "R"); err != nil {
		t.Error(err)
	}
	if took := time.Since(start); took > 30*time.Second {
		t.Errorf("%d types took %v", len(schemas), took)
	}
	schemas["more"] = &state.Schema{Name: "more", Kind: state.Object}
	if _, err := Derive(schemas, "R"); !errors.Is(err, ErrTooComplex) {
		t.Errorf("one more type: %v", err)
	}
}
