package protomap

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

const richSource = `syntax = "proto3";
package shop.v1;
import "holdfast/v1/options.proto";
import "google/protobuf/timestamp.proto";

message Item {
  option (holdfast.v1.dataset) = {key: ["id", "owner.code"]};
  uint64 id = 1;
  Owner owner = 2;
  repeated int32 sizes = 3;
  repeated sint64 plain = 4 [packed = false];
  map<string, Price> prices = 5;
  optional double weight = 6;
  oneof shape {
    Box box = 7;
    string other_shape = 8;
    bool any_shape = 18; // came later
  }
  Color color = 9;
  Owner.Level level = 10;
  google.protobuf.Timestamp made = 11;
  repeated string tags = 12 [(holdfast.v1.field) = {set: true}];
  string note = 13 [(holdfast.v1.field) = {inline: true}];
  bytes raw = 14;
  map<int32, bool> flags = 15;
  float ratio = 16;
  Parent parent = 17;

  message Box { fixed32 w = 1; sfixed64 h = 2; }
}
message Parent { uint64 id = 1; string note = 13; Parent parent = 17; }
message Owner { string code = 1; enum Level { NONE = 0; HIGH = 1; } }
message Price { int64 cents = 1; }
enum Color { RED = 0; BLUE = 1; }
`

// rich compiles a schema with one of everything.
func rich(t testing.TB) *Mapping {
	t.Helper()
	file := filepath.Join(t.TempDir(), "item.proto")
	if err := os.WriteFile(file, []byte(richSource), 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := Compile(context.Background(), file, nil)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

const richRecord = `{"id":"18446744073709551615","owner":{"code":"o"},"sizes":[1,-2],"plain":["3"],"prices":{"b":{"cents":"5"},"a":{}},
"weight":-0.0,"other_shape":"x","color":"BLUE","level":"HIGH","made":"2026-01-02T03:04:05Z","tags":["t","s"],"note":"né","raw":"AAE=","flags":{"7":true},"ratio":0.1,"parent":{"id":"1"}}`

// TestRedeclareSameBytes reads what the owner's message writes with the
// redeclared one, from its own printed source.
func TestRedeclareSameBytes(t *testing.T) {
	m := rich(t)
	file, err := Redeclare(m, "items")
	if err != nil {
		t.Fatal(err)
	}
	text, err := Source(file)
	if err != nil {
		t.Fatal(err)
	}
	again, err := compileFile(context.Background(), "items.proto", func(path string) ([]byte, error) {
		if path != "items.proto" {
			return nil, os.ErrNotExist
		}
		return []byte(text), nil
	})
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	msg, err := m.ParseJSON([]byte(richRecord))
	if err != nil {
		t.Fatal(err)
	}
	want, err := proto.MarshalOptions{Deterministic: true}.Marshal(msg.Interface())
	if err != nil {
		t.Fatal(err)
	}
	root := again.Messages().ByName("Item")
	got := dynamicpb.NewMessage(root)
	if err := proto.Unmarshal(want, got); err != nil {
		t.Fatal(err)
	}
	back, err := proto.MarshalOptions{Deterministic: true}.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if string(back) != string(want) || hasUnknown(got) {
		t.Errorf("other bytes through\n%s", text)
	}
	service := again.Services().ByName("ItemService")
	for _, name := range []string{"GetItem", "BatchGetItem", "ListItem"} {
		if service.Methods().ByName(protoreflect.Name(name)) == nil {
			t.Errorf("no method %s in\n%s", name, text)
		}
	}
	request := again.Messages().ByName("GetItemRequest")
	if f := request.Fields().ByNumber(2); f.Name() != "owner_code" || f.Kind() != protoreflect.StringKind {
		t.Errorf("second key field is %v", f)
	}
	if !strings.Contains(text, "\nsyntax = \"proto3\";\n\npackage holdfast.data.items;\n") {
		t.Errorf("file begins with %.80q", text)
	}
}

func hasUnknown(m protoreflect.Message) bool {
	found := len(m.GetUnknown()) > 0
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		if f.Message() != nil && !f.IsMap() && !f.IsList() {
			found = found || hasUnknown(v.Message())
		}
		return true
	})
	return found
}
