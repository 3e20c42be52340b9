package golden

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

func TestCasesAreComplete(t *testing.T) {
	cases := Cases(t)
	if len(cases) != 31 {
		t.Errorf("got %d cases, want 31", len(cases))
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			if c.Index.Case != c.Name {
				t.Errorf("index names case %q, want %q", c.Index.Case, c.Name)
			}
			if len(c.Index.Versions) == 0 || len(c.Index.Checks) == 0 {
				t.Errorf("got %d versions and %d checks, want some of both", len(c.Index.Versions), len(c.Index.Checks))
			}
			for _, v := range c.Index.Versions {
				c.File(v.Schema)
			}
			for _, b := range c.Index.Blobs {
				if got := len(c.File(b.File)); got != b.Bytes {
					t.Errorf("%s has %d bytes, want %d", b.File, got, b.Bytes)
				}
			}
			for _, check := range c.Index.Checks {
				testCheck(t, c, check)
			}
		})
	}
}

func testCheck(t *testing.T, c Case, check Check) {
	t.Helper()
	for _, file := range check.Load {
		c.File(file)
	}
	for _, part := range check.Parts {
		c.File(PartFile(check.Load[0], part))
	}
	if check.Version == dataset.None {
		t.Errorf("check %s states no version", check.ID)
	}
	lines := bytes.SplitAfter(WithoutDecimals(c.Expected(check.Expected)), []byte("\n"))
	if len(lines) < 2 || len(lines[len(lines)-1]) != 0 {
		t.Errorf("%s: got %d lines, want at least one, each ended", check.Expected, len(lines)-1)
	}
	for i, line := range lines[:len(lines)-1] {
		if !json.Valid(line) {
			t.Errorf("%s:%d is not JSON: %.80s", check.Expected, i+1, line)
		}
	}
}

func TestHashVectorsAreJSON(t *testing.T) {
	var groups map[string][]json.RawMessage
	if err := json.Unmarshal(HashVectors(t), &groups); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"varInt32", "murmurBytes", "setMapKeyHash", "schemas", "badSchemas"} {
		if len(groups[name]) == 0 {
			t.Errorf("no vectors of group %q", name)
		}
	}
}

func TestWithoutDecimals(t *testing.T) {
	for in, want := range map[string]string{
		`"fields":{"d":{"bits":"3ff0","dec":"1.0"},"f":{"bits":"7fc0","dec":"NaN"}}`: `"fields":{"d":{"bits":"3ff0"},"f":{"bits":"7fc0"}}`,
		`"fields":{"s":"{\"bits\":\"0\",\"dec\":\"0\"}"}`:                            `"fields":{"s":"{\"bits\":\"0\",\"dec\":\"0\"}"}`,
		`"fields":{"bits":"0a","dec":"b","x":1}`:                                     `"fields":{"bits":"0a","dec":"b","x":1}`,
	} {
		if got := string(WithoutDecimals([]byte(in))); got != want {
			t.Errorf("WithoutDecimals(%s)\n got %s\nwant %s", in, got, want)
		}
	}
}
