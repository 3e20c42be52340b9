package protomap

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// loadedSource has every kind of field that JSON would print with a default.
const loadedSource = `syntax = "proto3";
package owner.v1;
import "holdfast/v1/options.proto";
import "google/protobuf/timestamp.proto";
message Item {
  option (holdfast.v1.dataset) = {key: ["id"]};
  string id = 1;
  int64 num = 2;
  repeated string tags = 3;
  map<string, Part> parts = 4;
  Part part = 5;
  optional int32 maybe = 6;
  oneof one { string text = 7; int32 number = 8; }
  google.protobuf.Timestamp at = 9;
  repeated google.protobuf.Timestamp all = 10;
  message Inner { bool b = 1; string kept = 2; }
  Inner inner = 11;
}
message Part { string name = 1; int32 size = 2; }
`

// TestJSONOfWhatIsLoaded prints a record of a state that lacks fields: they are
// absent, not 0, and the others are as they were.
func TestJSONOfWhatIsLoaded(t *testing.T) {
	m := mustCompile(t, loadedSource)
	const record = `{"id":"a","num":"7","tags":["x"],"parts":{"p":{"name":"n","size":3}},"part":{"name":"q","size":4},` +
		`"maybe":0,"text":"t","at":"2026-01-02T03:04:05Z","all":["2026-01-02T03:04:05Z"],"inner":{"b":true,"kept":"k"}}`
	snapshot := snapshotOf(t, m, record)
	for _, c := range []struct{ out, left, want string }{
		{"", "", record},
		{"Item.nothing Nobody.name", "", record},
		{
			"Item.num Item.tags Item.maybe Item.text Item.parts Part.size Item_Inner.b",
			"Item.maybe Item.num Item.parts Item.tags Item.text Item_Inner.b Part.size",
			`{"id":"a","part":{"name":"q"},"at":"2026-01-02T03:04:05Z","all":["2026-01-02T03:04:05Z"],"inner":{"kept":"k"}}`,
		},
		// An instant without its seconds would be another one.
		{
			"Timestamp.seconds Item.text Item.number Item.part", "Item.number Item.part Item.text Timestamp.seconds",
			`{"id":"a","num":"7","tags":["x"],"parts":{"p":{"name":"n","size":3}},"maybe":0,"inner":{"b":true,"kept":"k"}}`,
		},
	} {
		f, err := state.LeaveOut(strings.Fields(c.out)...)
		if err != nil {
			t.Fatal(err)
		}
		less, err := m.Loaded(f)
		if err != nil {
			t.Errorf("without %q: %v", c.out, err)
			continue
		}
		if got := less.LeftOut(); !slices.Equal(got, strings.Fields(c.left)) {
			t.Errorf("without %q: %q are left out, want %s", c.out, got, c.left)
		}
		s, err := state.ReadSnapshot(snapshot, state.ReadOptions{Filter: f})
		if err != nil {
			t.Fatal(err)
		}
		got, err := less.JSON(s.Type("Item").Record(0))
		if err != nil || string(got) != c.want {
			t.Errorf("without %q: %s, error %v\nwant %s", c.out, got, err, c.want)
		}
	}
	if left := m.LeftOut(); left != nil {
		t.Errorf("the mapping lost %q", left)
	}
}

// snapshotOf returns a snapshot of a state with one record.
func snapshotOf(t *testing.T, m *Mapping, record string) []byte {
	t.Helper()
	msg, err := m.ParseJSON([]byte(record))
	if err != nil {
		t.Fatal(err)
	}
	records, err := build(m, msg)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := (state.Transition{Next: records[0].Type().State()}).WriteSnapshot(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestIsBox tells the types of single values from messages, also from one that is
// called like another such type.
func TestIsBox(t *testing.T) {
	m := mustCompile(t, `syntax = "proto3";
import "holdfast/v1/options.proto";
message Item {
  option (holdfast.v1.dataset) = {key: ["id"]};
  string id = 1;
  Long long = 2;
}
message Long { int32 x = 1; }
`)
	for name, want := range map[string]bool{"Item": false, "String": true, "Long": false} {
		if m.IsBox(name) != want {
			t.Errorf("%s: %v, want %v", name, !want, want)
		}
	}
}
