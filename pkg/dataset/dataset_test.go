package dataset_test

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

func TestParseName(t *testing.T) {
	for text, want := range map[string]bool{
		"a": true, "movies": true, "a1_": true, "z" + strings.Repeat("9", 62): true,
		"": false, "1a": false, "_a": false, "A": false, "aB": false, "a-b": false, "a.b": false, "a/b": false,
		"..": false, ".": false, "a b": false, "é": false, "a\x00": false, "a\n": false, "z" + strings.Repeat("9", 63): false,
	} {
		n, err := dataset.ParseName(text)
		if (err == nil) != want || want && string(n) != text {
			t.Errorf("%q: %q, error %v", text, n, err)
		}
	}
}

func TestParseVersion(t *testing.T) {
	for text, want := range map[string]dataset.Version{
		"1": 1, "20260102150405000": 20260102150405000, "9223372036854775807": 1<<63 - 1,
		"": 0, "0": 0, "-1": 0, "+1": 0, "01": 0, " 1": 0, "1 ": 0, "1.0": 0, "1e3": 0, "9223372036854775808": 0, "x": 0,
	} {
		v, err := dataset.ParseVersion(text)
		if v != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, error %v", text, v, err)
		}
		if want > 0 && v.String() != text {
			t.Errorf("%q comes back as %q", text, v)
		}
	}
}

// TestVersionJSON holds that a version is a string of digits, none an empty one.
func TestVersionJSON(t *testing.T) {
	for v, want := range map[dataset.Version]string{20260102150405000: `"20260102150405000"`, 7: `"7"`, dataset.None: `""`} {
		b, err := json.Marshal(v)
		if err != nil || string(b) != want {
			t.Errorf("%d: %s, error %v", v, b, err)
		}
		back := dataset.Version(-1)
		if err := json.Unmarshal(b, &back); err != nil || back != v {
			t.Errorf("%s: %d, error %v", b, back, err)
		}
	}
	for _, bad := range []string{`7`, `"-7"`, `"0"`, `"x"`, `"1 "`, `{}`} {
		var v dataset.Version
		if err := json.Unmarshal([]byte(bad), &v); err == nil {
			t.Errorf("%s: no error", bad)
		}
	}
}

// TestNextVersion grows whatever the clock does, and sorts as text.
func TestNextVersion(t *testing.T) {
	clock := time.Date(2026, 1, 2, 16, 4, 5, 999, time.FixedZone("", 3600))
	for _, c := range []struct{ head, want dataset.Version }{
		{dataset.None, 20260102150405000},
		{20260102150404999, 20260102150405000},
		{20260102150405000, 20260102150405001},
		{20260102150405999, 20260102150406000},
		{20991231235959000, 20991231235959001}, // a clock that went back
		{math.MaxInt64, math.MaxInt64},
	} {
		if got := dataset.NextVersion(c.head, clock); got != c.want {
			t.Errorf("on %s: %s, want %s", c.head, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		head := dataset.None
		for _, s := range rapid.SliceOfN(rapid.Int64Range(0, 1<<36), 1, 20).Draw(t, "seconds") {
			next := dataset.NextVersion(head, time.Unix(s, 0))
			if next <= head {
				t.Fatalf("%s follows %s", next, head)
			}
			if back, err := dataset.ParseVersion(next.String()); err != nil || back != next {
				t.Fatalf("%s comes back as %s, error %v", next, back, err)
			}
			head = next
		}
	})
}

func TestDigest(t *testing.T) {
	d := dataset.DigestOf([]byte("abc"))
	const want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if d.String() != want || d.IsZero() {
		t.Errorf("%s, want %s", d, want)
	}
	if back, err := dataset.ParseDigest(want); err != nil || back != d {
		t.Errorf("%s, error %v", back, err)
	}
	if none, err := dataset.ParseDigest(""); err != nil || !none.IsZero() || none.String() != "" {
		t.Errorf("none: %s, error %v", none, err)
	}
	for _, bad := range []string{want[1:], want + "0", strings.ToUpper(want), "g" + want[1:], want + want, " " + want[1:]} {
		if got, err := dataset.ParseDigest(bad); err == nil || !got.IsZero() {
			t.Errorf("%q: %s, no error", bad, got)
		}
	}
}

func TestSeed(t *testing.T) {
	for s, want := range map[dataset.Seed]string{0: `"0000000000000000"`, 1<<64 - 1: `"ffffffffffffffff"`, 0xab: `"00000000000000ab"`} {
		b, err := json.Marshal(s)
		if err != nil || string(b) != want {
			t.Errorf("%d: %s, error %v", s, b, err)
		}
		back := dataset.Seed(1)
		if err := json.Unmarshal(b, &back); err != nil || back != s {
			t.Errorf("%s: %d, error %v", b, back, err)
		}
	}
	for _, bad := range []string{`1`, `""`, `"ab"`, `"00000000000000xy"`, `"+000000000000001"`, `"-000000000000001"`, `"0x00000000000001"`, `" 000000000000001"`, `"000000000000 001"`} {
		var s dataset.Seed
		if err := json.Unmarshal([]byte(bad), &s); err == nil {
			t.Errorf("%s: %d, no error", bad, s)
		}
	}
}

func TestPrintable(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "",
		`plain "é" \\n 日本`:       `plain "é" \\n 日本`,
		"\x1b[31m\x9b\r\n\t\x00": `\x1b[31m\x9b\r\n\t\x00`,
		"\u202e\u009b\ufffd":     `\u202e\u009b` + "\ufffd",
	} {
		if got := dataset.Printable(text); got != want {
			t.Errorf("Printable(%q) is %q, want %q", text, got, want)
		}
	}
}
