package protomap

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"pgregory.net/rapid"
)

var scalarTypes = []string{
	"bool", "int32", "sint32", "sfixed32", "uint32", "fixed32", "int64", "sint64", "sfixed64", "uint64", "fixed64",
	"float", "double", "string", "bytes",
}

// everySource declares a message with every kind of field in every place.
func everySource() string {
	var b strings.Builder
	n := 10
	field := func(format string, args ...any) {
		fmt.Fprintf(&b, "  "+format+" = %d", append(args, n)...)
		n++
	}
	b.WriteString(`syntax = "proto3";
package every.v1;
import "holdfast/v1/options.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/wrappers.proto";
enum Hue { HUE_NONE = 0; HUE_LOW = -5; HUE_DARK = 7; option allow_alias = true; HUE_BLACK = 7; }
message Every {
  option (holdfast.v1.dataset) = {key: ["id", "other.number"]};
  string id = 1;
  Other other = 2;
  Branch child = 3;
  repeated Branch children = 4;
  google.protobuf.Timestamp at = 5;
  google.protobuf.Duration lasting = 6;
  google.protobuf.Int64Value boxed = 7;
  google.protobuf.BoolValue maybe = 8;
`)
	for _, t := range append(slices.Clone(scalarTypes), "Hue", "Other") {
		low := strings.ToLower(t)
		field("%s one_%s", t, low)
		b.WriteString(";\n")
		field("optional %s may_%s", t, low)
		b.WriteString(";\n")
		field("repeated %s all_%s", t, low)
		b.WriteString(";\n")
		field("repeated %s set_%s", t, low)
		b.WriteString(" [(holdfast.v1.field) = {set: true}];\n")
		field("map<string, %s> of_%s", t, low)
		b.WriteString(";\n")
		if !slices.Contains([]string{"float", "double", "bytes", "Hue", "Other"}, t) {
			field("map<%s, string> by_%s", t, low)
			b.WriteString(";\n")
		}
		if t != "string" && t != "bytes" && t != "Other" {
			field("repeated %s loose_%s", t, low)
			b.WriteString(" [packed = false];\n")
		}
	}
	b.WriteString("  oneof choice {\n")
	for _, t := range append(slices.Clone(scalarTypes), "Hue", "Other") {
		field("%s or_%s", t, strings.ToLower(t))
		b.WriteString(";\n")
	}
	b.WriteString("  }\n")
	field("string in_text")
	b.WriteString(" [(holdfast.v1.field) = {inline: true}];\n")
	field("optional Hue in_hue")
	b.WriteString(" [(holdfast.v1.field) = {inline: true}];\n}\n")
	b.WriteString("message Branch { string id = 1; Other other = 2; Branch child = 3; repeated Branch children = 4; map<string, Branch> named = 5; }\n")
	b.WriteString("message Other { sint64 number = 1; enum Level { OFF = 0; ON = 1; } Level level = 3; map<uint32, Other> deep = 2; }\n")
	return b.String()
}

// drawMessage draws a message that the format can hold, its SETs in content
// order.
func drawMessage(t *rapid.T, d protoreflect.MessageDescriptor, depth int) protoreflect.Message {
	msg := dynamicpb.NewMessage(d)
	switch d.FullName() {
	case "google.protobuf.Timestamp", "google.protobuf.Duration":
		msg.Set(d.Fields().ByName("seconds"), protoreflect.ValueOfInt64(rapid.Int64Range(0, 1<<33).Draw(t, "seconds")))
		msg.Set(d.Fields().ByName("nanos"), protoreflect.ValueOfInt32(rapid.Int32Range(0, 999_999_999).Draw(t, "nanos")))
		return msg
	}
	for i := range d.Fields().Len() {
		f := d.Fields().Get(i)
		oneof := f.ContainingOneof()
		switch {
		case oneof != nil && !oneof.IsSynthetic() && msg.WhichOneof(oneof) != nil:
			continue
		case f.Message() != nil && !f.IsMap() && depth <= 0:
			continue
		case rapid.IntRange(0, 7).Draw(t, "present") > 0:
			continue
		}
		drawField(t, msg, f, depth-1)
	}
	return msg
}

func drawField(t *rapid.T, msg protoreflect.Message, f protoreflect.FieldDescriptor, depth int) {
	n := rapid.IntRange(1, 4).Draw(t, "n")
	switch {
	case f.IsMap():
		for range n {
			if f.MapValue().Message() == nil || depth > 0 {
				msg.Mutable(f).Map().Set(drawScalar(t, f.MapKey()).MapKey(), drawElement(t, f.MapValue(), depth))
			}
		}
	case f.IsList():
		var values []protoreflect.Value
		for range n {
			values = append(values, drawElement(t, f, depth))
		}
		if strings.HasPrefix(string(f.Name()), "set_") {
			values = inContentOrder(f, values)
		}
		for _, v := range values {
			msg.Mutable(f).List().Append(v)
		}
	default:
		msg.Set(f, drawElement(t, f, depth))
	}
}

func drawElement(t *rapid.T, f protoreflect.FieldDescriptor, depth int) protoreflect.Value {
	if f.Message() != nil {
		return protoreflect.ValueOfMessage(drawMessage(t, f.Message(), depth))
	}
	return drawScalar(t, f)
}

func drawScalar(t *rapid.T, f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(rapid.Bool().Draw(t, "bool"))
	case protoreflect.StringKind:
		return protoreflect.ValueOfString(rapid.String().Draw(t, "string"))
	case protoreflect.BytesKind:
		return protoreflect.ValueOfBytes(rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "bytes"))
	case protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(rapid.OneOf(rapid.Just(float32(math.Copysign(0, -1))), rapid.Just(float32(math.Inf(1))), rapid.Float32()).Draw(t, "float"))
	case protoreflect.DoubleKind:
		return protoreflect.ValueOfFloat64(rapid.OneOf(rapid.Just(math.Copysign(0, -1)), rapid.Just(math.Inf(-1)), rapid.Float64()).Draw(t, "double"))
	case protoreflect.EnumKind:
		i := rapid.IntRange(0, f.Enum().Values().Len()-1).Draw(t, "enum")
		return protoreflect.ValueOfEnum(f.Enum().Values().Get(i).Number())
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return protoreflect.ValueOfInt32(rapid.Int32Range(math.MinInt32+1, math.MaxInt32).Draw(t, "int32"))
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return protoreflect.ValueOfInt64(rapid.Int64Range(math.MinInt64+1, math.MaxInt64).Draw(t, "int64"))
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return protoreflect.ValueOfUint32(rapid.Uint32().Draw(t, "uint32"))
	}
	storable := func(v uint64) bool { return v != 1<<63 }
	return protoreflect.ValueOfUint64(rapid.OneOf(rapid.Just(uint64(math.MaxUint64)), rapid.Uint64()).Filter(storable).Draw(t, "uint64"))
}

// inContentOrder is the naive twin of what Append does with a SET.
func inContentOrder(f protoreflect.FieldDescriptor, values []protoreflect.Value) []protoreflect.Value {
	compare := func(a, b protoreflect.Value) int {
		switch x := a.Interface().(type) {
		case string:
			return cmp.Compare(x, b.String())
		case []byte:
			return bytes.Compare(x, b.Bytes())
		case bool:
			return slices.Index([]bool{false, true}, x) - slices.Index([]bool{false, true}, b.Bool())
		case int32, int64:
			return cmp.Compare(a.Int(), b.Int())
		case uint32, uint64:
			return cmp.Compare(a.Uint(), b.Uint())
		case protoreflect.EnumNumber:
			name := func(v protoreflect.Value) string { return string(f.Enum().Values().ByNumber(v.Enum()).Name()) }
			return cmp.Compare(name(a), name(b))
		case protoreflect.Message:
			return bytes.Compare(canonical(x), canonical(b.Message()))
		}
		if a.Float() == 0 && b.Float() == 0 {
			return cmp.Compare(math.Copysign(1, a.Float()), math.Copysign(1, b.Float()))
		}
		return cmp.Compare(a.Float(), b.Float())
	}
	slices.SortFunc(values, compare)
	return slices.CompactFunc(values, func(a, b protoreflect.Value) bool { return compare(a, b) == 0 })
}

// canonical encodes a message with its fields in order of number.
func canonical(msg protoreflect.Message) []byte {
	b, err := proto.MarshalOptions{Deterministic: true}.Marshal(msg.Interface())
	if err != nil {
		panic(err)
	}
	return b
}

// TestRoundTrip puts random messages into a state and takes them out, as
// protobuf and as ProtoJSON, also beside others and in the messages of the
// redeclared file.
func TestRoundTrip(t *testing.T) {
	m := mustCompile(t, everySource())
	file, err := Redeclare(m, "every")
	if err != nil {
		t.Fatal(err)
	}
	redeclared := file.Messages().ByName("Every")
	rapid.Check(t, func(t *rapid.T) {
		var messages []protoreflect.Message
		for range rapid.IntRange(1, 2).Draw(t, "messages") {
			msg := drawMessage(t, m.Message(), 2)
			fillKey(t, msg)
			messages = append(messages, msg)
		}
		records, err := build(m, messages...)
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(messages)
		others, err := build(m, messages...) // the same records by other ordinals
		if err != nil {
			t.Fatal(err)
		}
		slices.Reverse(messages)
		slices.Reverse(others)
		for i, msg := range messages {
			got, err := m.Append([]byte("before"), records[i])
			if err != nil {
				t.Fatal(err)
			}
			same(t, m.Message(), got[len("before"):], msg)
			same(t, redeclared, got[len("before"):], msg)
			other, err := m.Append([]byte("before"), others[i])
			if err != nil || !bytes.Equal(got, other) {
				t.Fatalf("equal records have bytes\n%x\n%x (%v)", got, other, err)
			}
			if i > 0 {
				continue // ProtoJSON of one is enough
			}
			text, err := m.JSON(records[i])
			if err != nil {
				t.Fatal(err)
			}
			back, err := m.ParseJSON(text)
			if err != nil {
				t.Fatalf("%v in %s", err, text)
			}
			same(t, m.Message(), canonical(back), msg)
			if own, err := (protojson.MarshalOptions{EmitDefaultValues: true}).Marshal(msg.Interface()); err != nil {
				t.Fatal(err)
			} else if back, err = m.ParseJSON(own); err != nil {
				t.Fatalf("%v in %s", err, own)
			}
			same(t, m.Message(), canonical(back), msg)
		}
	})
}

// fillKey gives a message that has no key one.
func fillKey(t *rapid.T, msg protoreflect.Message) {
	f := msg.Descriptor().Fields().ByName("other")
	if !msg.Has(f) {
		msg.Set(f, protoreflect.ValueOfMessage(drawMessage(t, f.Message(), 1)))
	}
}

// same fails unless b decodes to want, bit by bit.
func same(t *rapid.T, d protoreflect.MessageDescriptor, b []byte, want protoreflect.Message) {
	t.Helper()
	got := dynamicpb.NewMessage(d)
	if err := proto.Unmarshal(b, got); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(canonical(got), canonical(want)) {
		t.Fatalf("got  %v\nwant %v", got, want.Interface())
	}
}
