package protomap

import (
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/holdfast-data/holdfast/pkg/state"
)

const keySource = `syntax = "proto3";
package keys.v1;
import "holdfast/v1/options.proto";
message Thing {
  option (holdfast.v1.dataset) = {key: ["text", "at.n", "u", "b", "raw", "e", "s", "may"]};
  string text = 9;
  At at = 2;
  uint64 u = 3;
  bool b = 4;
  bytes raw = 5;
  E e = 6;
  sint32 s = 7;
  optional int64 may = 8;
}
message At { fixed32 n = 1; }
enum E { ZERO = 0; ONE = 1; }
`

// TestKeysAgree reads one key from arguments, from a request and from the
// record, and finds it in the state by the dataset's own key.
func TestKeysAgree(t *testing.T) {
	m := mustCompile(t, keySource)
	msg, err := m.ParseJSON([]byte(`{"text":"é=,","at":{"n":4294967295},"u":"18446744073709551615","b":true,"raw":"AP8=","e":"ONE","s":-5,"may":"0"}`))
	if err != nil {
		t.Fatal(err)
	}
	want, err := m.KeyOf(msg)
	if err != nil {
		t.Fatal(err)
	}
	args, err := m.Key([]string{"é=,", "4294967295", "18446744073709551615", "true", "AP8=", "ONE", "-5", "0"})
	if err != nil {
		t.Fatal(err)
	}
	if got := m.KeyTexts(args); !slices.Equal(got, []string{"é=,", "4294967295", "18446744073709551615", "true", "AP8=", "ONE", "-5", "0"}) {
		t.Errorf("the key reads %q", got)
	}
	file, err := Redeclare(m, "things")
	if err != nil {
		t.Fatal(err)
	}
	d := file.Messages().ByName("GetThingRequest")
	request := dynamicpb.NewMessage(d)
	for i, v := range []any{"é=,", uint32(math.MaxUint32), uint64(math.MaxUint64), true, []byte{0, 255}, protoreflect.EnumNumber(1), int32(-5), int64(0)} {
		request.Set(d.Fields().ByNumber(protoreflect.FieldNumber(i+1)), protoreflect.ValueOf(v))
	}
	asked, err := m.RequestKey(request)
	if err != nil {
		t.Fatal(err)
	}
	records, err := build(m, msg)
	if err != nil {
		t.Fatal(err)
	}
	schemas := records[0].Type().State().Schemas()
	for i, path := range schemas["Thing"].Key {
		steps, err := state.ResolvePath(schemas, "Thing", path)
		if err != nil {
			t.Fatal(err)
		}
		held := records[0].Follow(steps)
		for _, got := range []state.Value{args[i], asked[i], held} {
			if !got.Equal(want[i]) || got.Type() != want[i].Type() {
				t.Errorf("field %s: %v %v, want %v %v", path, got.Type(), got, want[i].Type(), want[i])
			}
		}
	}
	names := []string{"text", "at_n", "u", "b", "raw", "e", "s", "may"}
	for i, k := range m.KeyFields() {
		if f := d.Fields().ByNumber(protoreflect.FieldNumber(i + 1)); k.Name != names[i] || string(f.Name()) != k.Name || f.Kind() != k.Field().Kind() {
			t.Errorf("key field %d is %s, in the request %v", i, k.Name, f)
		}
	}
}

// TestKeyRefuses holds each argument that is no key to its error.
func TestKeyRefuses(t *testing.T) {
	m := mustCompile(t, keySource)
	good := []string{"t", "1", "2", "true", "AA==", "ZERO", "3", "4"}
	if _, err := m.Key(good); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		at   int
		text string
		path string
		says string
	}{
		{0, "\xff", "text", "Unicode"},
		{1, "4294967296", "at.n", "unsigned 32-bit"},
		{1, "-1", "at.n", "unsigned 32-bit"},
		{1, "", "at.n", "unsigned 32-bit"},
		{2, "18446744073709551616", "u", "unsigned 64-bit"},
		{2, "9223372036854775808", "u", "cannot be stored"},
		{2, "1.0", "u", "unsigned 64-bit"},
		{3, "True", "b", "true or false"},
		{4, "?", "raw", "base64"},
		{5, "TWO", "e", "ZERO, ONE"},
		{5, "1", "e", "ZERO, ONE"},
		{6, "2147483648", "s", "32-bit"},
		{6, "-2147483648", "s", "cannot be stored"},
		{6, " 1", "s", "32-bit"},
		{7, "0x1", "may", "64-bit"},
		{7, "-9223372036854775808", "may", "cannot be stored"},
	} {
		args := append([]string(nil), good...)
		args[c.at] = c.text
		_, err := m.Key(args)
		var value *ValueError
		if !errors.Is(err, ErrBadKey) || !errors.As(err, &value) || value.Path != c.path || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s = %q: %v", c.path, c.text, err)
		}
	}
	for _, n := range []int{0, 7} {
		if _, err := m.Key(good[:n]); !errors.Is(err, ErrBadKey) || !strings.Contains(err.Error(), "at.n") {
			t.Errorf("%d values: %v", n, err)
		}
	}
	if _, err := m.RequestKey(dynamicpb.NewMessage(m.Message())); !errors.Is(err, ErrBadKey) {
		t.Errorf("another message as a request: %v", err)
	}
}

// TestKeyOfOthers reads keys of messages that the mapping did not make.
func TestKeyOfOthers(t *testing.T) {
	m, again := mustCompile(t, keySource), mustCompile(t, keySource)
	msg, err := again.ParseJSON([]byte(`{"text":"a","at":{"n":1},"u":1,"b":false,"raw":"","e":0,"s":1,"may":1}`))
	if err != nil {
		t.Fatal(err)
	}
	key, err := m.KeyOf(msg)
	if err != nil || len(key) != 8 || !key[0].Equal(state.StringValue("a")) {
		t.Errorf("key %v (%v)", key, err)
	}
	if _, err := m.KeyOf(dynamicpb.NewMessage(rich(t).Message())); !errors.Is(err, ErrMismatch) {
		t.Errorf("a foreign message: %v", err)
	}
	empty := dynamicpb.NewMessage(m.Message())
	if key, err = m.KeyOf(empty); err != nil || !key[1].IsNull() || !key[7].IsNull() || key[2].IsNull() {
		t.Errorf("key of an empty message %v (%v)", key, err)
	}
	if _, err := build(m, empty); err != nil {
		t.Errorf("add an empty message: %v", err)
	}
	set := proto.Clone(msg.Interface()).ProtoReflect()
	set.Set(again.Message().Fields().ByName("u"), protoreflect.ValueOfUint64(1<<63))
	var value *ValueError
	if _, err := m.KeyOf(set); !errors.As(err, &value) || value.Path != "u" || !errors.Is(err, state.ErrNotStorable) {
		t.Errorf("a key that cannot be stored: %v", err)
	}
}
