package protomap

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// foreignSource is declared for records that another producer made.
const foreignSource = `syntax = "proto3";
import "holdfast/v1/options.proto";
message R {
  option (holdfast.v1.dataset) = {key: ["id"]};
  int64 id = 1;
  string name = 2;
  optional string note = 3;
  E e = 4;
  repeated int64 list = 5;
  map<int64, string> map = 6;
  Sub sub = 7;
  double d = 8;
  repeated Pair pairs = 9;
}
message Sub { int32 a = 1; }
message Pair { int64 k = 1; string v = 2; }
enum E { ZERO = 0; ONE = 1; }
`

// TestForeignRecords reads records whose schema is not the declared one: what
// it lacks is absent, INT fits 64 bits, a scalar may be wrapped, and all else
// is an error that names the field.
func TestForeignRecords(t *testing.T) {
	text := func(b *state.Builder, s string) state.Value {
		return object(b, "String", state.StringValue(s))
	}
	empty := `{"id":"1","name":"","e":"ZERO","list":[],"map":{},"d":0,"pairs":[]}`
	for _, c := range []struct {
		name    string
		schemas string // beside R's key
		value   func(*state.Builder) state.Value
		want    string // the JSON
		cause   error
		path    string
	}{
		{"nothing else", ``, nil, empty, nil, ""},
		{"unknown field", `int other;`, func(*state.Builder) state.Value { return state.IntValue(3) }, empty, nil, ""},
		{"inline text", `string name;`, func(*state.Builder) state.Value { return state.StringValue("x") }, `{"id":"1","name":"x","e":"ZERO","list":[],"map":{},"d":0,"pairs":[]}`, nil, ""},
		{"null text", `string name;`, func(*state.Builder) state.Value { return state.Null() }, empty, nil, ""},
		{"wrapped twice", `Name name;`, func(b *state.Builder) state.Value { return object(b, "Name", text(b, "x")) }, `{"id":"1","name":"x","e":"ZERO","list":[],"map":{},"d":0,"pairs":[]}`, nil, ""},
		{"wrapped null", `Name note;`, func(b *state.Builder) state.Value { return object(b, "Name", state.Null()) }, empty, nil, ""},
		{"enum by name", `string e;`, func(*state.Builder) state.Value { return state.StringValue("ONE") }, `{"id":"1","name":"","e":"ONE","list":[],"map":{},"d":0,"pairs":[]}`, nil, ""},
		{"set as list", `Ints list;`, func(b *state.Builder) state.Value {
			return added(b.AddSet("Ints", ordinals([]state.Value{object(b, "Int", state.IntValue(2)), object(b, "Int", state.IntValue(-1))})))
		}, `{"id":"1","name":"","e":"ZERO","list":["-1","2"],"map":{},"d":0,"pairs":[]}`, nil, ""},
		{"map as pairs", `Map pairs;`, func(b *state.Builder) state.Value {
			return added(b.AddMap("Map", []state.Entry{{Key: object(b, "Int", state.IntValue(2)).Reference(), Value: text(b, "b").Reference()}, {Key: object(b, "Int", state.IntValue(1)).Reference(), Value: text(b, "a").Reference()}}))
		}, `{"id":"1","name":"","e":"ZERO","list":[],"map":{},"d":0,"pairs":[{"k":"1","v":"a"},{"k":"2","v":"b"}]}`, nil, ""},

		{"unnamed enum", `string e;`, func(*state.Builder) state.Value { return state.StringValue("TWO") }, "", ErrUnnamedEnum, "e"},
		{"text for a number", `string d;`, func(*state.Builder) state.Value { return state.StringValue("1") }, "", ErrMismatch, "d"},
		{"zero of another type", `int d;`, func(*state.Builder) state.Value { return state.IntValue(0) }, "", ErrMismatch, "d"},
		{"two fields for a scalar", `Two name;`, func(b *state.Builder) state.Value { return object(b, "Two", state.IntValue(1), state.Null()) }, "", ErrMismatch, "name"},
		{"list for a scalar", `ListOfInt name;`, func(b *state.Builder) state.Value { return added(b.AddList("ListOfInt", nil)) }, "", ErrMismatch, "name"},
		{"scalar for a list", `int list;`, func(*state.Builder) state.Value { return state.IntValue(1) }, "", ErrMismatch, "list"},
		{"object for a list", `Two list;`, func(b *state.Builder) state.Value { return object(b, "Two", state.Null(), state.Null()) }, "", ErrMismatch, "list"},
		{"map for a list", `Map list;`, func(b *state.Builder) state.Value { return added(b.AddMap("Map", nil)) }, "", ErrMismatch, "list"},
		{"list for a map", `ListOfInt map;`, func(b *state.Builder) state.Value { return added(b.AddList("ListOfInt", nil)) }, "", ErrMismatch, "map"},
		{"list for a message", `ListOfInt sub;`, func(b *state.Builder) state.Value { return added(b.AddList("ListOfInt", nil)) }, "", ErrMismatch, "sub"},
		{"number for a message", `int sub;`, func(*state.Builder) state.Value { return state.IntValue(1) }, "", ErrMismatch, "sub"},
		{"null in a list", `ListOfInt list;`, func(b *state.Builder) state.Value {
			return added(b.AddList("ListOfInt", ordinals([]state.Value{object(b, "Int", state.IntValue(1)), object(b, "Int", state.Null())})))
		}, "", ErrMismatch, "list[1]"},
		{"null as a map's value", `Map map;`, func(b *state.Builder) state.Value {
			return added(b.AddMap("Map", []state.Entry{{Key: object(b, "Int", state.IntValue(7)).Reference(), Value: object(b, "String", state.Null()).Reference()}}))
		}, "", ErrMismatch, "map[7]"},
		{"long in a message of int32", `Long sub;`, func(b *state.Builder) state.Value { return object(b, "Long", state.LongValue(1)) }, "", ErrMismatch, "sub.a"},
	} {
		m := mustCompile(t, foreignSource)
		schemas, err := state.ParseSchemas(`R @PrimaryKey(id) { int id; ` + c.schemas + `}
			String { string value; } Name { String s; } Int { int value; } Long { long a; } Two { int a; int b; }
			Ints Set<Int>; ListOfInt List<Int>; Map Map<Int, String>;`)
		if err != nil {
			t.Fatal(err)
		}
		b, err := state.NewBuilder(nil, schemas)
		if err != nil {
			t.Fatal(err)
		}
		values := []state.Value{state.IntValue(1)}
		if c.value != nil {
			values = append(values, c.value(b))
		}
		o := object(b, "R", values...).Reference()
		s, err := b.Finish(state.Header{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := m.JSON(s.Type("R").Record(o))
		var value *ValueError
		switch {
		case c.cause == nil && (err != nil || string(got) != c.want):
			t.Errorf("%s: got  %s (%v)\nwant %s", c.name, got, err, c.want)
		case c.cause != nil && (!errors.Is(err, c.cause) || !errors.As(err, &value) || value.Path != c.path):
			t.Errorf("%s: error %v, want %v at %q", c.name, err, c.cause, c.path)
		}
		if c.cause != nil {
			before := []byte("before")
			if after, err := m.Append(before, s.Type("R").Record(o)); err == nil || string(after) != "before" {
				t.Errorf("%s: a failed Append leaves %q", c.name, after)
			}
		}
	}
}

func object(b *state.Builder, typ string, values ...state.Value) state.Value {
	return added(b.AddObject(typ, values))
}

func added(o state.Ordinal, err error) state.Value {
	if err != nil {
		panic(err)
	}
	return state.ReferenceValue(o)
}

// TestLimits refuses records that are deeper or larger than is allowed.
func TestLimits(t *testing.T) {
	schemas, err := state.ParseSchemas(`R @PrimaryKey(id) { int id; Self self; } Self List<Self>;`)
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	self := added(b.AddList("Self", nil))
	for range 15 { // twice as many leaves at each level
		self = added(b.AddList("Self", ordinals([]state.Value{self, self})))
	}
	bushy := object(b, "R", state.IntValue(1), self).Reference()
	for range 80 {
		self = added(b.AddList("Self", ordinals([]state.Value{self})))
	}
	deep := object(b, "R", state.IntValue(2), self).Reference()
	s, err := b.Finish(state.Header{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := Derived(s.Schemas(), "R")
	if err != nil {
		t.Fatal(err)
	}
	m = m.WithLimits(Limits{Depth: 30, Size: 1000})
	if _, err := m.Append(nil, s.Type("R").Record(bushy)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a record of 65535 lists: %v", err)
	}
	if _, err := m.Append(nil, s.Type("R").Record(deep)); !errors.Is(err, ErrTooDeep) {
		t.Errorf("a record of 95 levels: %v", err)
	}
	if got, err := m.Append(nil, s.Type("R").Record(bushy)); err == nil {
		t.Errorf("%d bytes after a failure", len(got))
	}
	small, err := m.WithLimits(DefaultLimits()).Append(nil, s.Type("R").Record(bushy))
	if err != nil || len(small) < 1<<16 {
		t.Errorf("%d bytes (%v)", len(small), err)
	}
}

// TestDepth takes as many levels in as it gives out.
func TestDepth(t *testing.T) {
	m := rich(t).WithLimits(Limits{Depth: 10, Size: 1 << 20})
	for levels := 8; levels <= 12; levels++ {
		text := `{"id":"1","owner":{"code":"x"}` + strings.Repeat(`,"parent":{"id":"1"`, levels-1) + strings.Repeat("}", levels)
		msg, err := m.ParseJSON([]byte(text))
		if (err == nil) != (levels <= 10) {
			t.Errorf("%d levels in: %v", levels, err)
		}
		if err != nil {
			if msg, err = m.WithLimits(DefaultLimits()).ParseJSON([]byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err = build(m, msg); (err == nil) != (levels <= 10) {
			t.Errorf("%d levels stored: %v", levels, err)
		}
		records, err := build(m.WithLimits(DefaultLimits()), msg)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = m.JSON(records[0]); (err == nil) != (levels <= 10) {
			t.Errorf("%d levels out: %v", levels, err)
		}
	}
}

// TestChain takes in what has a checksum, down to its last level: a message, a
// collection and a text count one each.
func TestChain(t *testing.T) {
	m := mustCompile(t, everySource())
	for _, c := range []struct {
		field, open, close string
		most               int // parts in one another, below the root and above an empty list
	}{
		{"child", `{"child":`, "}", state.MaxDepth - 2},
		{"children", `{"children":[`, "]}", 1 + (state.MaxDepth-3)/2},
		{"named", `{"named":{"k":`, "}}", 1 + (state.MaxDepth-3)/2},
	} {
		for n := c.most - 1; n <= c.most+1; n++ {
			text := `{"id":"k","other":{"number":1},"child":` + strings.Repeat(c.open, n-1) + "{}" + strings.Repeat(c.close, n-1) + "}"
			msg, err := m.ParseJSON([]byte(text))
			var records []state.Record
			if err == nil {
				records, err = build(m, msg)
			}
			if n > c.most {
				if !errors.Is(err, ErrTooDeep) || !strings.Contains(err.Error(), fmt.Sprint(state.MaxDepth)) {
					t.Errorf("%d of %s: error %v, want one that names the limit", n, c.field, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%d of %s: %v", n, c.field, err)
				continue
			}
			if _, err := records[0].Type().State().Checksum(); err != nil {
				t.Errorf("%d of %s were taken: %v", n, c.field, err)
			}
			if _, err := m.JSON(records[0]); err != nil {
				t.Errorf("%d of %s were taken: %v", n, c.field, err)
			}
		}
	}
}

// TestAddTooLarge takes in no record that Append would not give out.
func TestAddTooLarge(t *testing.T) {
	every := mustCompile(t, everySource())
	rapid.Check(t, func(t *rapid.T) {
		msg := drawMessage(t, every.Message(), 3)
		size := proto.Size(msg.Interface())
		limit := max(1, size+rapid.IntRange(-2, 2).Draw(t, "more"))
		m := every.WithLimits(Limits{Depth: state.MaxDepth, Size: limit})
		records, err := build(m, msg)
		if (err == nil) != (size <= limit) {
			t.Fatalf("%d bytes, limit %d: error %v", size, limit, err)
		}
		if err != nil {
			if !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), fmt.Sprintf("at most %d bytes", limit)) {
				t.Fatalf("%d bytes: error %v, want one that names the limit %d", size, err, limit)
			}
			return
		}
		if _, err := m.Append(nil, records[0]); err != nil {
			t.Fatalf("%d bytes were taken, limit %d: %v", size, limit, err)
		}
	})
}

// TestAppendTogether encodes records of two states with one mapping, from many
// goroutines.
func TestAppendTogether(t *testing.T) {
	m := rich(t)
	var records []state.Record
	var want [][]byte
	for _, tags := range []string{`["b","a"]`, `["long tag","c","d"]`} {
		msg, err := m.ParseJSON([]byte(strings.Replace(richRecord, `["t","s"]`, tags, 1)))
		if err != nil {
			t.Fatal(err)
		}
		built, err := build(m, msg)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, built[0])
		b, err := m.Append(nil, built[0])
		if err != nil {
			t.Fatal(err)
		}
		want = append(want, b)
	}
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			var b []byte
			var err error
			for i := range 200 {
				if b, err = m.Append(b[:0], records[i%2]); err != nil || string(b) != string(want[i%2]) {
					t.Errorf("record %d is %x (%v), want %x", i%2, b, err, want[i%2])
					return
				}
			}
		})
	}
	group.Wait()
}
