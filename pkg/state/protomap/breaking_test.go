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
		{"another key", `message X { option (holdfast.v1.dataset) = {key: ["n"]}; string id = 1; int64 n = 2; repeated Y ys = 3; } message Y { string a = 1; }`, "the key is (n), it was (id)"},
		{"another root", "message W { " + option + " string id = 1; }", "the root type is W, it was X"},
	} {
		got := strings.Join(Breaking(old, compile(tc.text)), "; ")
		if (got == "") != (tc.want == "") || !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
}
