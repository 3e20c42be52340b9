package protomap

import (
	"context"
	"os"
	"strings"
	"testing"
)

func TestBreaking(t *testing.T) {
	compile := func(text string) *Mapping {
		t.Helper()
		m, err := Compile(context.Background(), "x.proto", func(path string) ([]byte, error) {
			if path != "x.proto" {
				return nil, os.ErrNotExist
			}
			return []byte("syntax = \"proto3\"; import \"holdfast/v1/options.proto\";\n" + text), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	const option = `option (holdfast.v1.dataset) = {key: ["id"]};`
	old := compile("message X { " + option + " string id = 1; int64 n = 2; repeated Y ys = 3; } message Y { string a = 1; }")
	for _, tc := range []struct{ name, text, want string }{
		{"the same", "message X { " + option + " string id = 1; int64 n = 2; repeated Y ys = 3; } message Y { string a = 1; }", ""},
		{"one more", "message X { " + option + " string id = 1; int64 n = 2; repeated Y ys = 3; bool b = 4; } message Y { string a = 1; Z z = 2; } message Z { int32 i = 1; }", ""},
		{"another type", "message X { " + option + " string id = 1; string n = 2; repeated Y ys = 3; } message Y { string a = 1; }", "field n of X is string, it was int64"},
		{"gone", "message X { " + option + " string id = 1; repeated Y ys = 3; } message Y { string a = 1; }", "field n of X is gone"},
		{"renamed", "message X { " + option + " string id = 1; int64 m = 2; repeated Y ys = 3; } message Y { string a = 1; }", "is now called m"},
		{"single", "message X { " + option + " string id = 1; int64 n = 2; Y ys = 3; } message Y { string a = 1; }", "is Y, it was repeated Y"},
		{"nested", "message X { " + option + " string id = 1; int64 n = 2; repeated Y ys = 3; } message Y { bytes a = 1; }", "field a of Y is bytes, it was string"},
		{"optional", "message X { " + option + " string id = 1; optional int64 n = 2; repeated Y ys = 3; } message Y { string a = 1; }", ""},
		{"another key", `message X { option (holdfast.v1.dataset) = {key: ["n"]}; string id = 1; int64 n = 2; repeated Y ys = 3; } message Y { string a = 1; }`, "the key is (n), it was (id)"},
		{"another root", "message W { " + option + " string id = 1; }", "the root type is W, it was X"},
	} {
		got := strings.Join(Breaking(old, compile(tc.text)), "; ")
		if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}

// TestBreakingPresence takes away what tells nothing from a default value.
func TestBreakingPresence(t *testing.T) {
	declare := func(fields string) *Mapping {
		return mustCompile(t, `syntax = "proto3"; import "holdfast/v1/options.proto";
			message R { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; `+fields+` }`)
	}
	for _, tc := range []struct{ was, now, want string }{
		{"optional int32 n = 2;", "int32 n = 2;", "field n of R is no longer optional: its default value would be read as none"},
		{"oneof o { int32 n = 2; }", "int32 n = 2;", "field n of R is no longer optional: its default value would be read as none"},
		{"optional int32 n = 2;", "oneof o { int32 n = 2; }", ""},
		{"int32 n = 2;", "optional int32 n = 2;", ""},
	} {
		if got := strings.Join(Breaking(declare(tc.was), declare(tc.now)), "; "); got != tc.want {
			t.Errorf("from %s to %s: %q, want %q", tc.was, tc.now, got, tc.want)
		}
	}
}

// TestBreakingReserved gives numbers away that fields had before.
func TestBreakingReserved(t *testing.T) {
	declare := func(fields string) *Mapping {
		return mustCompile(t, `syntax = "proto3"; import "holdfast/v1/options.proto";
			message R { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; `+fields+` }`)
	}
	for _, tc := range []struct{ was, now, want string }{
		{"int32 n = 2;", "", `field n of R is gone (number 2): put "reserved 2;" in its place, so that nothing else gets it`},
		{"int32 n = 2;", "reserved 2;", "field n of R is gone (number 2)"},
		{"reserved 2, 7 to 9;", "reserved 9, 2; reserved 5 to 8;", ""},
		{"reserved 2;", "int32 m = 2;", "number 2 of R is no longer reserved: what had it would be read as what has it now"},
		{"reserved 2, 7 to 9;", "reserved 2, 7, 9;", "number 8 of R is no longer reserved: what had it would be read as what has it now"},
		{"reserved 7 to max;", "reserved 7 to max; int32 n = 2;", ""},
		{"reserved 7 to max;", "reserved 7 to 99;", "number 100 of R is no longer reserved: what had it would be read as what has it now"},
	} {
		if got := strings.Join(Breaking(declare(tc.was), declare(tc.now)), "; "); got != tc.want {
			t.Errorf("from %q to %q: %q, want %q", tc.was, tc.now, got, tc.want)
		}
	}
}

// TestBreakingSet makes a list of a set, and the other way round.
func TestBreakingSet(t *testing.T) {
	declare := func(option string) *Mapping {
		return mustCompile(t, `syntax = "proto3"; import "holdfast/v1/options.proto";
			message R { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; repeated int32 n = 2`+option+`; }`)
	}
	const list, set = "", " [(holdfast.v1.field) = {set: true}]"
	for _, tc := range []struct{ was, now, want string }{
		{list, list, ""},
		{set, set, ""},
		{set, list, "field n of R is no longer a set: an element may be in it more than once"},
		{list, set, "field n of R is now a set: its elements have no order any more, and each is in it once"},
	} {
		if got := strings.Join(Breaking(declare(tc.was), declare(tc.now)), "; "); got != tc.want {
			t.Errorf("from %q to %q: %q, want %q", tc.was, tc.now, got, tc.want)
		}
	}
}

// TestBreakingEnum changes an enum that a field, a list, a map or a message
// below has.
func TestBreakingEnum(t *testing.T) {
	const was = "X = 0; Y = 1; Z = 2;"
	for _, field := range []string{"E e = 2;", "repeated E e = 2;", "map<string, E> e = 2;", "N n = 2;"} {
		declare := func(values string) *Mapping {
			return mustCompile(t, `syntax = "proto3"; import "holdfast/v1/options.proto";
				message R { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; `+field+` } message N { E e = 1; } enum E { `+values+` }`)
		}
		for _, tc := range []struct{ was, now, want string }{
			{was, was, ""},
			{was, "X = 0; Y = 1; Z = 2; W = 3;", ""},
			{was, "option allow_alias = true; X = 0; Y = 1; Z = 2; Again = 2;", ""},
			{was, "X = 0; Z = 2; Y = 1;", ""},
			{was, "X = 0; Z = 1; Y = 2;", "value Y of enum E is now number 2, it was 1; value Z of enum E is now number 1, it was 2"},
			{was, "X = 0; Y = 1;", "value Z of enum E is gone (number 2): put \"reserved 2;\" in its place, so that nothing else gets it"},
			{was, "reserved 2; X = 0; Y = 1;", "value Z of enum E is gone (number 2)"},
			{"reserved -3 to -1, 5; " + was, "reserved -3, -2; reserved -1, 4 to max; " + was, ""},
			{"reserved -3 to -1, 5; " + was, "reserved 5, -3; " + was, "number -2 of enum E is no longer reserved: what had it would be read as what has it now"},
			{"reserved 5; " + was, was + " V = 5;", "number 5 of enum E is no longer reserved: what had it would be read as what has it now"},
			{was, "X = 0; Y = 1; Q = 2;", "value Z of enum E is gone, its number 2 now means Q"},
			{was, "X = 0; Y = 1; Z = 3; Q = 2;", "value Z of enum E is now number 3, it was 2"},
			{was, "option allow_alias = true; X = 0; Y = 1; Before = 2; Z = 2;", "number 2 of enum E is now Before first, it was Z"},
			{"option allow_alias = true; X = 0; Y = 1; Z = 1;", "option allow_alias = true; X = 0; Z = 1; Y = 1;", "number 1 of enum E is now Z first, it was Y"},
			{"option allow_alias = true; X = 0; Y = 1; Z = 1;", "X = 0; Y = 1;", "value Z of enum E is gone, its number 1 now means Y"},
		} {
			if got := strings.Join(Breaking(declare(tc.was), declare(tc.now)), "; "); got != tc.want {
				t.Errorf("%s from %s to %s: %q, want %q", field, tc.was, tc.now, got, tc.want)
			}
		}
	}
}

// TestBreakingPackage changes the package along with what its readers know by
// their own package's name.
func TestBreakingPackage(t *testing.T) {
	declare := func(pkg, rest string) *Mapping {
		return mustCompile(t, `syntax = "proto3"; package `+pkg+`; import "holdfast/v1/options.proto";
			message R { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; `+rest)
	}
	const was = "int32 n = 2; N below = 3; E e = 4; N.F f = 5; map<string, N> more = 6; } message N { int64 x = 1; enum F { A = 0; B = 1; } } enum E { X = 0; Y = 1; }"
	old := declare("acme.v1", was)
	for _, tc := range []struct{ old, new, want string }{
		{"", "", ""},
		{"int32 n = 2;", "int32 n = 2; string more_yet = 7;", ""},
		{"int32 n = 2;", "reserved 2;", "field n of R is gone (number 2)"},
		{"int64 x = 1;", "bytes x = 1;", "field x of N is bytes, it was int64"},
		{"X = 0; Y = 1;", "Y = 0; X = 1;", "value X of enum E is now number 1, it was 0; value Y of enum E is now number 0, it was 1"},
		{"A = 0; B = 1;", "A = 0; C = 1;", "value B of enum N.F is gone, its number 1 now means C"},
		{"N below = 3;", "M below = 3;", "field below of R is M, it was N"},
	} {
		text := strings.Replace(was, tc.old, tc.new, 1)
		if strings.Contains(text, " M below") {
			text += " message M { int64 x = 1; }"
		}
		for _, pkg := range []string{"acme.v1", "acme.v2"} {
			if got := strings.Join(Breaking(old, declare(pkg, text)), "; "); got != tc.want {
				t.Errorf("%q for %q in %s: %q, want %q", tc.new, tc.old, pkg, got, tc.want)
			}
		}
	}
}
