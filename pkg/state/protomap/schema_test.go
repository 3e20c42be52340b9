package protomap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/holdfast-data/holdfast/pkg/state"
)

const header = `syntax = "proto3"; package p; import "holdfast/v1/options.proto"; import "google/protobuf/any.proto"; import "google/protobuf/struct.proto";
`

// root declares a root message with an id and what else is given.
func root(fields string) string {
	return header + `message R { option (holdfast.v1.dataset) = {key: ["id"]}; int32 id = 1; ` + fields + " }\n"
}

// TestSchemaRefuses holds each declaration that no dataset can have to its
// cause, the name that it blames and the line.
func TestSchemaRefuses(t *testing.T) {
	for _, c := range []struct {
		source string
		cause  error
		name   string
		line   int
	}{
		{header + "message R { int32 id = 1; }", ErrUnsupported, "", 0},
		{root("") + `message S { option (holdfast.v1.dataset) = {key: ["id"]}; int32 id = 1; }`, ErrUnsupported, "p.S", 3},
		{root("google.protobuf.Any x = 2;"), ErrUnsupported, "google.protobuf.Any", 0},
		{root("google.protobuf.Struct x = 2;"), ErrUnsupported, "google.protobuf.Struct", 0},
		{root("repeated google.protobuf.Value x = 2;"), ErrUnsupported, "google.protobuf.Value", 0},
		{root("map<string, google.protobuf.ListValue> x = 2;"), ErrUnsupported, "google.protobuf.ListValue", 0},
		{root("\ngoogle.protobuf.NullValue x = 2;"), ErrUnsupported, "p.R.x", 3},
		{root("\nint32 x = 2 [(holdfast.v1.field) = {inline: true}];"), ErrUnsupported, "p.R.x", 3},
		{root("\n\nrepeated string x = 2 [(holdfast.v1.field) = {inline: true}];"), ErrUnsupported, "p.R.x", 4},
		{root("string x = 2 [(holdfast.v1.field) = {set: true}];"), ErrUnsupported, "p.R.x", 2},
		{root("map<string, string> x = 2 [(holdfast.v1.field) = {set: true}];"), ErrUnsupported, "p.R.x", 2},
		{root("String s = 2; string x = 3;") + "message String { string value = 1; }", ErrUnsupported, "p.String.value", 3},
		{root("string x = 3; String s = 4;") + "message String { string value = 1; }", ErrUnsupported, "p.String", 3},
		{root("A.B x = 3; A_B s = 4;") + "message A { message B {} }\nmessage A_B {}", ErrUnsupported, "p.A_B", 4},
		{root("GetRRequest x = 3;") + "message GetRRequest {}", ErrUnsupported, "p.R", 2},
		{root("RService x = 3;") + "message RService {}", ErrUnsupported, "p.R", 2},
		{header + "message R { option (holdfast.v1.dataset) = {}; int32 id = 1; }", ErrBadKey, "p.R", 2},
		{header + `message R { option (holdfast.v1.dataset) = {key: ["no"]}; int32 id = 1; }`, ErrBadKey, "p.R", 2},
		{header + `message R { option (holdfast.v1.dataset) = {key: ["id.x"]}; int32 id = 1; }`, ErrBadKey, "p.R", 2},
		{header + `message R { option (holdfast.v1.dataset) = {key: ["id", "id"]}; int32 id = 1; }`, ErrBadKey, "p.R", 2},
		{header + `message R { option (holdfast.v1.dataset) = {key: [""]}; int32 id = 1; }`, ErrBadKey, "p.R", 2},
		{header + `message R { option (holdfast.v1.dataset) = {key: ["id"]}; repeated int32 id = 1; }`, ErrBadKey, "p.R.id", 2},
		{header + `message R { option (holdfast.v1.dataset) = {key: ["id"]}; map<int32, int32> id = 1; }`, ErrBadKey, "p.R.id", 2},
		{header + `message R { option (holdfast.v1.dataset) = {key: ["id"]}; R id = 1; }`, ErrBadKey, "p.R.id", 2},
		{header + `message R { option (holdfast.v1.dataset) = {key: ["id"]}; double id = 1; }`, ErrBadKey, "p.R.id", 2},
		{header + "message R { option (holdfast.v1.dataset) = {key: [\"id\"]};\n oneof x { int32 id = 1; } }", ErrBadKey, "p.R.id", 3},
		{strings.Replace(root("optional group X = 2 {}"), "proto3", "proto2", 1), nil, "", 0}, // fields need labels
		{strings.NewReplacer("proto3", "proto2", "int32 id", "optional int32 id").Replace(root("optional group X = 2 {}")), ErrUnsupported, "p.R.x", 2},
		{strings.NewReplacer("proto3", "proto2", "int32 id", "optional int32 id").Replace(root("extensions 100 to 200;")), ErrUnsupported, "p.R", 2},
		{root("\nR self = 2;"), ErrUnsupported, "p.R.self", 3},
		{root("\nrepeated R kids = 2;"), ErrUnsupported, "p.R.kids", 3},
		{root("\nmap<string, R> kids = 2;"), ErrUnsupported, "p.R.kids", 3},
		{root("N n = 2;") + "message N { repeated M m = 1; }\nmessage M {\nN n = 1; oneof o { R r = 2; } }", ErrUnsupported, "p.M.r", 5},
		{"syntax = \"proto3\";\nmessage {", nil, "", 0},
		{root("Gone x = 2;"), nil, "", 0},
		{`syntax = "proto3"; import "gone.proto";`, nil, "", 0},
	} {
		_, err := compile(c.source)
		if c.cause == nil {
			if err == nil || !strings.Contains(err.Error(), "proto:") {
				t.Errorf("%s\nerror %v, want one with file and line", c.source, err)
			}
			continue
		}
		var schema *SchemaError
		if !errors.Is(err, c.cause) || !errors.As(err, &schema) || string(schema.Name) != c.name || c.line > 0 && (schema.Line != c.line || schema.File != "d.proto") {
			t.Errorf("%s\nerror %v, want %v about %s in line %d", c.source, err, c.cause, c.name, c.line)
		}
	}
	if _, err := Compile(context.Background(), "/no/such/file.proto", nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

// TestDescriptorSet maps what a store keeps as the source was mapped, and
// refuses what is no declaration.
func TestDescriptorSet(t *testing.T) {
	m := mustCompile(t, everySource())
	again, err := FromDescriptorSet(m.DescriptorSet())
	if err != nil {
		t.Fatal(err)
	}
	if got, want := fmt.Sprint(again.Schemas()), fmt.Sprint(m.Schemas()); got != want || again.Root() != m.Root() {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	other := mustCompile(t, "// a comment\n\n"+everySource())
	if string(other.DescriptorSet()) != string(m.DescriptorSet()) {
		t.Error("a comment changes the descriptor set")
	}
	var set descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(m.DescriptorSet(), &set); err != nil {
		t.Fatal(err)
	}
	set.File = set.File[1:] // without an import
	cut, err := proto.Marshal(&set)
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range [][]byte{nil, {}, {0xff}, m.DescriptorSet()[:len(m.DescriptorSet())-1], cut} {
		if _, err := FromDescriptorSet(b); err == nil {
			t.Errorf("%d bytes are a declaration", len(b))
		}
	}
}

// TestCompileImports finds files beside the schema, then as they stand; ours
// and Google's need none.
func TestCompileImports(t *testing.T) {
	files := map[string]string{
		"dir/r.proto":        `syntax = "proto2"; package a; import "holdfast/v1/options.proto"; import "beside.proto"; import "lib/far.proto"; message R { option (holdfast.v1.dataset) = {key: ["id"]}; required int32 id = 1; optional b.Beside beside = 2; repeated c.Far far = 3; }`,
		"dir/beside.proto":   `syntax = "proto3"; package b; message Beside { int32 x = 1; }`,
		"lib/far.proto":      `edition = "2023"; package c; message Far { int32 x = 1; int32 y = 2 [features.field_presence = IMPLICIT]; }`,
		"dir/lib/none.proto": ``,
	}
	m, err := Compile(context.Background(), "dir/r.proto", func(path string) ([]byte, error) {
		if text, ok := files[path]; ok {
			return []byte(text), nil
		}
		return nil, os.ErrNotExist
	})
	if err != nil {
		t.Fatal(err)
	}
	msg, err := m.ParseJSON([]byte(`{"id":1,"far":[{},{"x":0,"y":0}]}`))
	if err != nil {
		t.Fatal(err)
	}
	records, err := build(m, msg)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.JSON(records[0])
	if want := `{"id":1,"far":[{"y":0},{"x":0,"y":0}]}`; err != nil || string(got) != want {
		t.Errorf("got %s (%v), want %s", got, err, want)
	}
}

// What the compiler says of an option that is not known comes with what to do: to
// import the file, or another name.
func TestUnknownOption(t *testing.T) {
	const begin, end = `syntax = "proto3"; `, ` message R { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; }`
	const imports = `import "holdfast/v1/options.proto";`
	const names = "; the options are (holdfast.v1.dataset) of messages and (holdfast.v1.field) of fields"
	for text, want := range map[string]string{
		begin + end: `; the file has to import "holdfast/v1/options.proto", which needs no path`,
		begin + imports + strings.Replace(end, "dataset", "datset", 1):                            names,
		begin + imports + strings.Replace(end, "dataset", "dataset_", 1):                          names,
		begin + strings.Replace(end, "dataset", "datset", 1):                                      names,
		begin + imports + strings.Replace(end, "id = 1", "id = 1 [(holdfast.v1.fields) = {}]", 1): names,
	} {
		_, err := Compile(t.Context(), "r.proto", func(string) ([]byte, error) { return []byte(text), nil })
		if err == nil || !strings.HasSuffix(err.Error(), want) {
			t.Errorf("%s: error %v, want one that ends with %q", text, err, want)
		}
	}
}

// TestRedeclareCollisions redeclares what stands apart in the owner's files in
// one, where names could meet.
func TestRedeclareCollisions(t *testing.T) {
	files := map[string]string{
		"r.proto": `syntax = "proto3"; package a; import "holdfast/v1/options.proto"; import "b.proto"; import "c.proto";
message R {
  option (holdfast.v1.dataset) = {key: ["kind", "pick"]};
  Kind kind = 1;
  b.Two two = 2;
  c.Kind third = 3;
  c.Holder.Inner more = 5;
  Pick pick = 6;
  map<string, int32> foo = 8;
  .a.FooEntry entry = 9;
  Holder holder = 10;
  R_Named named = 11;
  enum Pick { NONE = 0; R_Named_ = 1; }
  message Price { int32 p = 1; }
  Price price = 13;
  KindEnum enums = 14;
  Names names = 15;
}
enum Kind { ZERO = 0; R_Price = 5; }
enum Names { RService = 0; GetRRequest = 1; }
message FooEntry { int32 a = 1; Holder_Inner holder_Inner = 2; }
message Holder_Inner {}
message Holder { int32 x = 1; }
message R_Named { int32 x = 1; }
message KindEnum { int32 x = 1; }
`,
		"b.proto": `syntax = "proto2"; package b; enum Kind { ONE = 1; ZERO = 2; } message Holder { enum Inner { A = 3; B = -1; } } enum Shadow { KindEnum = 0; }
message Two { optional Kind other = 1; optional Holder.Inner inner = 2; repeated Shadow shadow = 3; map<int32, Shadow> kinds = 4; required bool yes = 5; }`,
		"c.proto": `syntax = "proto3"; package c; enum Kind { ZERO = 0; TWO = 2; } message Holder { enum Inner { A = 0; C = 1; } }`,
	}
	m, err := Compile(context.Background(), "r.proto", func(path string) ([]byte, error) {
		if text, ok := files[path]; ok {
			return []byte(text), nil
		}
		return nil, os.ErrNotExist
	})
	if err != nil {
		t.Fatal(err)
	}
	file, err := Redeclare(m, "hard")
	if err != nil {
		t.Fatal(err)
	}
	source, err := Source(file)
	if err != nil {
		t.Fatal(err)
	}
	again, err := parseFile(source)
	if err != nil {
		t.Fatalf("%v in\n%s", err, source)
	}
	if _, err := protodesc.NewFile(protodesc.ToFileDescriptorProto(again), nil); err != nil {
		t.Errorf("%v in\n%s", err, source)
	}
	msg, err := m.ParseJSON([]byte(`{"kind":"R_Price","two":{"other":"ONE","inner":"B","shadow":["KindEnum"],"kinds":{"1":"KindEnum"},"yes":true},"third":"TWO","more":"C","pick":"R_Named_","foo":{"a":1},"entry":{"a":2,"holder_Inner":{}},"price":{"p":1},"names":"GetRRequest"}`))
	if err != nil {
		t.Fatal(err)
	}
	got := dynamicpb.NewMessage(again.Messages().ByName("R"))
	if err := proto.Unmarshal(canonical(msg), got); err != nil {
		t.Fatal(err)
	}
	if string(canonical(got)) != string(canonical(msg)) || hasUnknown(got) {
		t.Errorf("other bytes through\n%s", source)
	}
	key, err := m.Key([]string{"R_Price", "R_Named_"})
	if err != nil || !key[0].Equal(state.StringValue("R_Price")) {
		t.Errorf("key %v (%v)", key, err)
	}
}

// TestDeclarationAlone has the same declaration in files of other names and with other
// options for code generators: it is the same.
func TestDeclarationAlone(t *testing.T) {
	const part = `syntax = "proto3"; message P { int32 n = 1; }`
	const text = `syntax = "proto3"; import "holdfast/v1/options.proto"; import "part/dataset.proto"; import "google/protobuf/timestamp.proto";
		OPTIONS message R { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; P p = 2; google.protobuf.Timestamp at = 3; }`
	compile := func(name, options, partOptions string) *Mapping {
		t.Helper()
		m, err := Compile(context.Background(), name, func(path string) ([]byte, error) {
			switch {
			case strings.HasSuffix(path, "part/dataset.proto"):
				return []byte(part + partOptions), nil
			case filepath.Base(path) == filepath.Base(name):
				return []byte(strings.Replace(text, "OPTIONS", options, 1)), nil
			}
			return nil, os.ErrNotExist
		})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	want := compile("x.proto", "", "")
	for _, tc := range []struct{ name, options, part string }{
		{"y.proto", "", ""},
		{"a/b/dataset.proto", "", ""},
		{"the_dataset.proto", "", ""},
		{"x.proto", `option go_package = "example.com/x"; option java_package = "com.example"; option optimize_for = SPEED;`, ""},
		{"x.proto", "", `option go_package = "example.com/part";`},
	} {
		m := compile(tc.name, tc.options, tc.part)
		if !bytes.Equal(m.DescriptorSet(), want.DescriptorSet()) {
			t.Errorf("%s with options %q and %q: another declaration", tc.name, tc.options, tc.part)
		}
	}
	if bytes.Equal(compile("x.proto", "option deprecated = true;", "").DescriptorSet(), want.DescriptorSet()) {
		t.Error("what the file says of itself is lost")
	}
}
