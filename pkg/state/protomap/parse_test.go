package protomap

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/holdfast-data/holdfast/internal/fuzzing"
	"github.com/holdfast-data/holdfast/pkg/state"
)

// TestParseJSONRefuses holds what is refused to its cause, the path that the
// error names and what it says. Members are added to a good record.
func TestParseJSONRefuses(t *testing.T) {
	m := rich(t)
	deep := strings.Repeat(`{"parent":`, 100)
	for _, c := range []struct {
		members string
		cause   error
		path    string
		says    string
	}{
		{`"id":"2"`, ErrNotRecord, "id", "duplicate"},
		{`"tags":null,"tags":["x"]`, ErrNotRecord, "tags", "duplicate"},
		{`"other_shape":"x","otherShape":"y"`, ErrNotRecord, "other_shape", "duplicate"},
		{`"parent":{"note":"a","note":"a"}`, ErrNotRecord, "parent.note", "duplicate"},
		{`"prices":{"b":{},"b":{}}`, ErrNotRecord, `prices["b"]`, "duplicate"},
		{`"flags":{"7":true,"7":true}`, ErrNotRecord, `flags["7"]`, "duplicate"},
		{`"box":{},"other_shape":"x"`, ErrNotRecord, "other_shape", "oneof"},
		{`"colour":1`, ErrNotRecord, "colour", "unknown field"},
		{`"parent":{"parent":{"shape":1}}`, ErrNotRecord, "parent.parent.shape", "unknown field"},
		{`"[a.b]":1`, ErrNotRecord, "[a.b]", "unknown field"},
		{`"sizes":[1,null]`, ErrNotRecord, "sizes[1]", "null"},
		{`"prices":{"b":null}`, ErrNotRecord, `prices["b"]`, "null"},
		{`"flags":{"1":null}`, ErrNotRecord, `flags["1"]`, "null"},
		{`"sizes":{}`, ErrNotRecord, "sizes", "unexpected token"},
		{`"sizes":["a"]`, ErrNotRecord, "sizes[0]", "int32"},
		{`"sizes":[1,2147483648]`, ErrNotRecord, "sizes[1]", "2147483648"},
		{`"sizes":[1.5]`, ErrNotRecord, "sizes[0]", "1.5"},
		{`"plain":["9223372036854775808"]`, ErrNotRecord, "plain[0]", "9223372036854775808"},
		{`"note":1`, ErrNotRecord, "note", "string"},
		{`"prices":{"x\"]":{"cents":true}}`, ErrNotRecord, `prices["x\"]"].cents`, "int64"},
		{`"flags":{"x":true}`, ErrNotRecord, `flags["x"]`, "int32 key"},
		{`"color":"PINK"`, ErrNotRecord, "color", "PINK"},
		{`"made":"yesterday"`, ErrNotRecord, "made", "Timestamp"},
		{`"raw":"?"`, ErrNotRecord, "raw", "bytes"},
		{`"weight":NaN`, ErrNotRecord, "weight", "NaN"},
		{`"weight":1e999`, ErrNotRecord, "weight", "1e999"},
		{`"ratio":1e39`, ErrNotRecord, "ratio", "1e39"},
		{`"note":"tab	"`, ErrNotRecord, "note", "invalid character"},
		{`"note":"\ud800"`, state.ErrIllFormed, "note", ""},
		{`"note":"\ud800 and more text"`, state.ErrIllFormed, "note", ""},
		{`"note":"\udc00\ud800"`, state.ErrIllFormed, "note", ""},
		{`"note":"\ud83d\u0041"`, state.ErrIllFormed, "note", ""},
		{`"prices":{"\udfff":{}}`, state.ErrIllFormed, "prices[\"\uFFFD\"]", ""},
		{"\"tags\":[\"ok\",\"a\xffb\"]", state.ErrIllFormed, "tags[1]", ""},
		{`"parent":` + deep + `{}` + strings.Repeat("}", 100), ErrTooDeep, "", "deep"},
		{`"note":"` + strings.Repeat("x", 10_000) + `","color":"` + strings.Repeat("y", 10_000) + `"`, ErrNotRecord, "color", "yyy"},
		{`}`, ErrNotRecord, "", "column"},
		{`"note":"a"} {}`, ErrNotRecord, "", "unexpected token"},
		{`"note":"a`, ErrNotRecord, "note", "EOF"},
	} {
		text := `{"id":"1","owner":{"code":"é"},` + c.members + `}`
		if strings.HasSuffix(c.members, `"a`) {
			text = strings.TrimSuffix(text, "}")
		}
		_, err := m.ParseJSON([]byte(text))
		var value *ValueError
		if !errors.Is(err, ErrNotRecord) || !errors.Is(err, c.cause) || !errors.As(err, &value) {
			t.Errorf("%.100s: error %v, want one of %v", c.members, err, c.cause)
			continue
		}
		if value.Path != c.path && c.says != "EOF" {
			t.Errorf("%.100s: path %q, want %q", c.members, value.Path, c.path)
		}
		if !strings.Contains(err.Error(), c.says) || len(err.Error()) > 1500 {
			t.Errorf("%.100s: error %.1500q does not say %q", c.members, err, c.says)
		}
	}
}

// TestParseJSONWhole holds texts that are no record at all.
func TestParseJSONWhole(t *testing.T) {
	m := rich(t)
	for _, text := range []string{"", " ", "null", "1", `"x"`, "[]", `[{"id":"1"}]`, "{", `{"id"`, `{"id":`, `{"id":"1",`, `{"id":"1","owner":{"code":"x"}`, "hello", "\x00"} {
		if _, err := m.ParseJSON([]byte(text)); !errors.Is(err, ErrNotRecord) {
			t.Errorf("%q: error %v", text, err)
		}
	}
	for text, path := range map[string]string{
		`{}`:                                "id",
		`{"owner":{"code":"x"}}`:            "id",
		`{"id":null,"owner":{"code":"x"}}`:  "id",
		`{"id":"1"}`:                        "owner.code",
		`{"id":"1","owner":null}`:           "owner.code",
		`{"id":"1","owner":{}}`:             "owner.code",
		`{"id":"1","owner":{"code": null}}`: "owner.code",
	} {
		if _, err := m.ParseJSON([]byte(text)); !errors.Is(err, ErrMissingKey) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: error %v, want the missing field %s", text, err, path)
		}
	}
	for _, text := range []string{`{"id":0,"owner":{"code":""}}`, ` { "i\u0064" : "0" , "owner" : { "code" : "" } } `} {
		if _, err := m.ParseJSON([]byte(text)); err != nil {
			t.Errorf("%s: a default value in the key is refused: %v", text, err)
		}
	}
}

// TestJSONExact takes values in and prints them again, to the last bit.
func TestJSONExact(t *testing.T) {
	m := mustCompile(t, everySource())
	for _, c := range []struct{ in, out string }{
		{`"one_int64":9007199254740993`, `"one_int64":"9007199254740993"`},
		{`"one_int64":"-9223372036854775807"`, `"one_int64":"-9223372036854775807"`},
		{`"one_uint64":18446744073709551615`, `"one_uint64":"18446744073709551615"`},
		{`"one_int64":1e3`, `"one_int64":"1000"`},
		{`"one_double":-0.0`, `"one_double":-0`},
		{`"all_float":[-0.0,0]`, `"all_float":[-0,0]`},
		{`"one_double":0.1`, `"one_double":0.1`},
		{`"one_double":5e-324`, `"one_double":5e-324`},
		{`"one_float":0.1`, `"one_float":0.1`},
		{`"one_double":"-Infinity"`, `"one_double":"-Infinity"`},
		{`"one_string":"\ud83d\ude00\u0000\ufffd"`, `"one_string":"😀\u0000` + "\ufffd" + `"`},
		{`"one_string":"</é>"`, `"one_string":"</é>"`},
		{`"one_hue":"HUE_BLACK"`, `"one_hue":"HUE_DARK"`}, // an alias
		{`"set_int32":[3,1,-2,3]`, `"set_int32":[-2,1,3]`},
		{`"of_int32":{"b":1,"a":2}`, `"of_int32":{"a":2,"b":1}`},
		{`"oneInt32":7`, `"one_int32":7`},
	} {
		msg, err := m.ParseJSON([]byte(`{"id":"k","other":{"number":1},` + c.in + `}`))
		if err != nil {
			t.Fatalf("%s: %v", c.in, err)
		}
		records, err := build(m, msg)
		if err != nil {
			t.Fatalf("%s: %v", c.in, err)
		}
		text, err := m.JSON(records[0])
		if err != nil {
			t.Fatalf("%s: %v", c.in, err)
		}
		if !strings.Contains(string(text), c.out) {
			t.Errorf("%s gives\n%s\nwithout %s", c.in, text, c.out)
		}
	}
}

// TestJSONDefaults prints a record that has only its key.
func TestJSONDefaults(t *testing.T) {
	m := rich(t)
	msg, err := m.ParseJSON([]byte(`{"id":1,"owner":{"code":"o"}}`))
	if err != nil {
		t.Fatal(err)
	}
	records, err := build(m, msg)
	if err != nil {
		t.Fatal(err)
	}
	got, err := m.JSON(records[0])
	want := `{"id":"1","owner":{"code":"o"},"sizes":[],"plain":[],"prices":{},"color":"RED","level":"NONE","tags":[],"note":"","raw":"","flags":{},"ratio":0}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s (%v)\nwant %s", got, err, want)
	}
}

// TestAddRefuses holds what Hollow cannot hold to its error and path.
func TestAddRefuses(t *testing.T) {
	m := mustCompile(t, everySource())
	nan := math.NaN()
	set := func(name string, v any) func(protoreflect.Message) {
		return func(msg protoreflect.Message) {
			f := msg.Descriptor().Fields().ByName(protoreflect.Name(name))
			switch {
			case f.IsMap():
				msg.Mutable(f).Map().Set(protoreflect.ValueOfString("k").MapKey(), protoreflect.ValueOf(v))
			case f.IsList():
				msg.Mutable(f).List().Append(msg.Mutable(f).List().NewElement())
				msg.Mutable(f).List().Append(protoreflect.ValueOf(v))
			default:
				msg.Set(f, protoreflect.ValueOf(v))
			}
		}
	}
	for _, c := range []struct {
		change func(protoreflect.Message)
		cause  error
		path   string
	}{
		{set("one_int32", int32(math.MinInt32)), state.ErrNotStorable, "one_int32"},
		{set("one_sfixed32", int32(math.MinInt32)), state.ErrNotStorable, "one_sfixed32"},
		{set("may_int64", int64(math.MinInt64)), state.ErrNotStorable, "may_int64"},
		{set("one_uint64", uint64(1<<63)), state.ErrNotStorable, "one_uint64"},
		{set("or_fixed64", uint64(1<<63)), state.ErrNotStorable, "or_fixed64"},
		{set("one_float", float32(nan)), state.ErrNotStorable, "one_float"},
		{set("all_double", nan), state.ErrNotStorable, "all_double[1]"},
		{set("of_double", nan), state.ErrNotStorable, `of_double["k"]`},
		{set("one_hue", protoreflect.EnumNumber(99)), ErrUnnamedEnum, "one_hue"},
		{set("set_hue", protoreflect.EnumNumber(99)), ErrUnnamedEnum, "set_hue[1]"},
		{set("in_hue", protoreflect.EnumNumber(-1)), ErrUnnamedEnum, "in_hue"},
		{set("one_string", "\xff"), state.ErrIllFormed, "one_string"},
		{set("in_text", "\xed\xa0\x80"), state.ErrIllFormed, "in_text"},
		{func(msg protoreflect.Message) { msg.SetUnknown(protoreflect.RawFields{0xf8, 0x7f, 1}) }, ErrUnsupported, ""},
		{func(msg protoreflect.Message) {
			for range state.MaxDepth {
				msg = msg.Mutable(msg.Descriptor().Fields().ByName("child")).Message()
			}
		}, ErrTooDeep, strings.Repeat("child.", state.MaxDepth-1) + "id"},
	} {
		msg, err := m.ParseJSON([]byte(`{"id":"k","other":{"number":1}}`))
		if err != nil {
			t.Fatal(err)
		}
		c.change(msg)
		_, err = build(m, msg)
		var value *ValueError
		if !errors.Is(err, c.cause) || !errors.As(err, &value) || value.Path != c.path {
			t.Errorf("error %v, want %v at %q", err, c.cause, c.path)
		}
	}
}

// FuzzParseJSON reads any text: it is refused, or its record can be printed and
// read again, unless Hollow cannot hold it.
func FuzzParseJSON(f *testing.F) {
	m := rich(f)
	f.Add([]byte(richRecord))
	f.Add([]byte(`{"id":1,"owner":{"code":"\ud83d\ude00"},"weight":"NaN"}`))
	f.Add([]byte("{\"id\":\n1,\"prices\":{\"\xff"))
	f.Add([]byte(`{"id":[{"a":[1,{"b":}]}]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var msg protoreflect.Message
		var err error
		// A field of a few bytes becomes a message of some hundreds.
		fuzzing.Limit{Fixed: 1 << 20, PerByte: 1000}.Check(t, "record", len(text), func() { msg, err = m.ParseJSON(text) })
		if err != nil {
			if !errors.Is(err, ErrNotRecord) && !errors.Is(err, ErrMissingKey) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		if _, err := protojson.Marshal(msg.Interface()); err != nil {
			t.Fatalf("read, but not to be printed: %v", err)
		}
		records, err := build(m, msg)
		var value *ValueError
		if errors.As(err, &value) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		first, err := m.JSON(records[0])
		if err != nil {
			t.Fatal(err)
		}
		if msg, err = m.ParseJSON(first); err != nil {
			t.Fatalf("%v in %s", err, first)
		}
		if records, err = build(m, msg); err != nil {
			t.Fatal(err)
		}
		if second, err := m.JSON(records[0]); fmt.Sprint(err, string(second)) != fmt.Sprint(nil, string(first)) {
			t.Fatalf("printed as\n%s\nthen as\n%s (%v)", first, second, err)
		}
	})
}
