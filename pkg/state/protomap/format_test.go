package protomap

import (
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/holdfast-data/holdfast/pkg/state"
)

var update = flag.Bool("update", false, "write the examples of docs/format/mapping.md anew")

const mappingPage = "../../../docs/format/mapping.md"

// page returns the text of the page.
func page(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(mappingPage)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// table returns the rows of the first table of a section, without marks of code.
func table(t *testing.T, section string) [][]string {
	t.Helper()
	_, text, ok := strings.Cut(page(t), "\n## "+section+"\n")
	if !ok {
		t.Fatalf("the page has no section %s", section)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	var rows [][]string
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "|") {
			cells := strings.Split(strings.Trim(strings.ReplaceAll(line, "`", ""), "|\n"), "|")
			for i := range cells {
				cells[i] = strings.TrimSpace(cells[i])
			}
			rows = append(rows, cells)
		}
	}
	if len(rows) < 3 {
		t.Fatalf("section %s has no table", section)
	}
	return rows[2:]
}

// example returns a fenced block, or with -update puts want there first.
func example(t *testing.T, info, want string) string {
	t.Helper()
	text := page(t)
	before, rest, _ := strings.Cut(text, "```"+info+"\n")
	body, after, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatalf("the page has no block %s", info)
	}
	if *update && want != "" && want != body {
		if err := os.WriteFile(mappingPage, []byte(before+"```"+info+"\n"+want+"```"+after), 0o644); err != nil {
			t.Fatal(err)
		}
		return want
	}
	return body
}

// TestFormatDeclaration holds the numbers of the options.
func TestFormatDeclaration(t *testing.T) {
	m := mustCompile(t, everySource())
	for _, want := range []struct {
		options protoreflect.ProtoMessage
		number  string
	}{
		{m.Message().Options(), "73451"},
		{m.Message().Fields().ByName("in_text").Options(), "73452"},
	} {
		numbers := ""
		want.options.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, _ protoreflect.Value) bool {
			numbers += fmt.Sprint(f.Number())
			return true
		})
		if numbers != want.number || !strings.Contains(page(t), want.number) {
			t.Errorf("option has number %s, want %s, on the page too", numbers, want.number)
		}
	}
}

// TestFormatTypes names types as the table says.
func TestFormatTypes(t *testing.T) {
	names := map[string]state.Kind{
		"Every": state.Object, "Other": state.Object, "Timestamp": state.Object,
		"ListOfBranch": state.List, "SetOfOther": state.Set, "MapOfStringToOther": state.Map, "MapOfLongToString": state.Map,
	}
	for _, s := range mustCompile(t, everySource()).Schemas() {
		if kind, ok := names[s.Name]; ok && kind != s.Kind {
			t.Errorf("%s is a %v, want %v", s.Name, s.Kind, kind)
		}
		delete(names, s.Name)
		if (len(s.Key) > 0) != (s.Name == "Every") {
			t.Errorf("%s has the key %v", s.Name, s.Key)
		}
	}
	if len(names) > 0 {
		t.Errorf("no types %v", names)
	}
	for i, want := range []string{"OBJECT", "LIST ListOfX", "SET SetOfX", "MAP MapOfXToY"} {
		if row := table(t, "Types")[i]; !strings.HasPrefix(row[1], want) {
			t.Errorf("row %d is %v, want %s", i, row, want)
		}
	}
}

// TestFormatScalars compiles a message for each row of the table.
func TestFormatScalars(t *testing.T) {
	rows := table(t, "Scalars")
	if len(rows) != len(scalarTypes)+1 {
		t.Errorf("the table has %d rows, protobuf has %d scalars", len(rows), len(scalarTypes)+1)
	}
	for _, row := range rows {
		typ := row[0]
		if typ == "enum" {
			typ = "E"
			row[1] = "REFERENCE to String; with inline STRING"
		}
		m := mustCompile(t, root("repeated "+typ+" all = 3; "+typ+" one = 2;")+"enum E { A = 0; }")
		schemas := map[string]*state.Schema{}
		for _, s := range m.Schemas() {
			schemas[s.Name] = s
		}
		one := schemas["R"].Fields[1]
		got := one.Type.String()
		if one.Type == state.Reference {
			got += " to " + one.Ref
		}
		want, inline, hasInline := strings.Cut(row[1], "; with inline ")
		if want, _, _ = strings.Cut(want, ","); got != want {
			t.Errorf("%s is a %s, the page says %s", typ, got, want)
		}
		if list := schemas["ListOf"+row[2]]; list == nil || list.Element != row[2] || schemas[row[2]] == nil || schemas[row[2]].Fields[0].Name != "value" {
			t.Errorf("a list of %s has not the elements %s", typ, row[2])
		}
		source := root(typ+" one = 2 [(holdfast.v1.field) = {inline: true}];") + "enum E { A = 0; }"
		if m, err := compile(source); (err == nil) != hasInline {
			t.Errorf("inline %s: %v", typ, err)
		} else if hasInline && m.Schemas()[0].Fields[1].Type.String() != inline {
			t.Errorf("inline %s is a %v", typ, m.Schemas()[0].Fields[1].Type)
		}
	}
}

// TestFormatAbsent adds an empty message and looks at each field.
func TestFormatAbsent(t *testing.T) {
	rows := table(t, "Absent values")
	m := mustCompile(t, root("int32 plain = 2; string text = 3; optional int32 may = 4; oneof o { int32 of = 5; } M msg = 6; repeated int32 list = 7; map<string, string> map = 8;")+"message M { bool b = 1; }")
	msg, err := m.ParseJSON([]byte(`{"id":1}`))
	if err != nil {
		t.Fatal(err)
	}
	records, err := build(m, msg)
	if err != nil {
		t.Fatal(err)
	}
	r := records[0]
	for f, field := range r.Type().Schema().Fields {
		null := field.Name == "may" || field.Name == "of" || field.Name == "msg"
		if r.IsNull(f) != null {
			t.Errorf("%s is null: %v", field.Name, r.IsNull(f))
		}
		if target, ok, _ := reached(r, f); ok && target.Type().Schema().Kind != state.Object && target.Len() != 0 {
			t.Errorf("%s has %d elements", field.Name, target.Len())
		}
	}
	if len(rows) != 3 || !strings.Contains(rows[1][1], "null") || strings.Contains(rows[2][1], "null") {
		t.Errorf("the table says %v", rows)
	}
}

func reached(r state.Record, f int) (state.Record, bool, error) {
	if r.Type().Schema().Fields[f].Type != state.Reference {
		return r, false, nil
	}
	return follow(r, f)
}

// TestFormatRefused finds each error of the table in the code. What is refused
// is tested where the code is.
func TestFormatRefused(t *testing.T) {
	errs := map[string]error{
		"ErrUnsupported": ErrUnsupported, "ErrBadKey": ErrBadKey, "ErrUnnamedEnum": ErrUnnamedEnum, "ErrTooDeep": ErrTooDeep,
		"ErrTooLarge": ErrTooLarge, "ErrTooComplex": ErrTooComplex, "ErrMismatch": ErrMismatch, "state.ErrNotStorable": state.ErrNotStorable, "state.ErrIllFormed": state.ErrIllFormed,
	}
	used := map[error]bool{}
	for _, row := range table(t, "Refused") {
		if errs[row[2]] == nil {
			t.Errorf("no error %s", row[2])
		}
		used[errs[row[2]]] = true
	}
	if len(used) != len(errs) {
		t.Errorf("the table has %d of %d errors", len(used), len(errs))
	}
	for _, name := range unmapped {
		short := string(name.Name())
		if !strings.Contains(table(t, "Refused")[0][0], short) {
			t.Errorf("%s is not on the page", short)
		}
	}
	limits := DefaultLimits()
	for _, want := range []string{
		fmt.Sprintf("at most %d MiB with all that it imports, of at most %d files", MaxSource>>20, MaxFiles),
		fmt.Sprintf("at most %d,000 types; stored,\nit is at most %d MiB", MaxTypes/1000, MaxDescriptorSet>>20),
		fmt.Sprintf("nest at most %d levels, a name has at most %d parts and", maxNesting, maxSteps),
		fmt.Sprintf("%d,000 bytes, and a line has at most %d,%03d bytes", maxName/1000, maxColumn/1000, maxColumn%1000),
		fmt.Sprintf("in at most %d ways", maxImportWays),
		fmt.Sprintf("deeper than %d levels", limits.Depth), fmt.Sprintf("over %d MiB", limits.Size>>20), fmt.Sprintf("up to %d records of one field", maxBoxes),
	} {
		if !strings.Contains(page(t), want) {
			t.Errorf("the page does not say %q", want)
		}
	}
}

// TestFormatRedeclared holds the table of the redeclared file to one.
func TestFormatRedeclared(t *testing.T) {
	m := mustCompile(t, root(""))
	file, err := Redeclare(m, "r")
	if err != nil {
		t.Fatal(err)
	}
	source, err := Source(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range table(t, "Redeclared file") {
		name := protoreflect.Name(row[0])
		if file.Messages().ByName(name) == nil && file.Services().ByName(name) == nil {
			t.Errorf("no %s in\n%s", name, source)
		}
	}
	for _, want := range []string{
		"message GetRRequest {\n  int32 id = 1;\n}", "repeated GetRRequest keys = 1;", "repeated Result results = 1;", "R record = 1;",
		"rpc GetR(GetRRequest) returns (R);", "rpc BatchGetR(BatchGetRRequest) returns (BatchGetRResponse);", "rpc ListR(ListRRequest) returns (stream R);",
	} {
		if !strings.Contains(source, want) {
			t.Errorf("no %q in\n%s", want, source)
		}
	}
}

// TestFormatExample makes the example of the page anew.
func TestFormatExample(t *testing.T) {
	m := mustCompile(t, example(t, "proto", ""))
	var schemas strings.Builder
	for _, s := range m.Schemas() {
		schemas.WriteString(s.String() + "\n")
	}
	msg, err := m.ParseJSON([]byte(example(t, "json", "")))
	if err != nil {
		t.Fatal(err)
	}
	records, err := build(m, msg)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := m.JSON(records[0])
	if err != nil {
		t.Fatal(err)
	}
	b, err := m.Append(nil, records[0])
	if err != nil {
		t.Fatal(err)
	}
	dump, err := annotate(m.Message(), b)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ info, want string }{
		{"schema", strings.TrimRight(schemas.String(), "\n") + "\n"}, {"answer", string(answer) + "\n"}, {"bytes", dump},
	} {
		if got := example(t, c.info, c.want); got != c.want {
			t.Errorf("block %s is\n%s\nwant\n%s", c.info, got, c.want)
		}
	}
}

// annotate prints an encoded message, one field a line.
func annotate(d protoreflect.MessageDescriptor, b []byte) (string, error) {
	var out strings.Builder
	for len(b) > 0 {
		number, _, n := protowire.ConsumeField(b)
		if n < 0 {
			return "", errors.New("not a message")
		}
		fmt.Fprintf(&out, "%-36s %s\n", hex.EncodeToString(b[:n]), d.Fields().ByNumber(number).Name())
		b = b[n:]
	}
	return out.String(), nil
}
