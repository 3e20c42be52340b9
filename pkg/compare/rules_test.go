package compare_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/diff"
)

// TestParseRulesRefuses says why a file is none.
func TestParseRulesRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"gates: {a: 0}":           `line 1: there is no key "gates": the keys are gate, ignore, values, min_records`,
		"ignore: [a]\nIgnore: []": `line 2: there is no key "Ignore"`,
		"[gate]":                  "line 1: it is no mapping",
		"gate":                    "line 1: it is no mapping",
		"ignore: {a: 1}":          "line 1",
		"min_records: few":        "line 1",
		"gate: {a: 0, a: 1}":      "two limits of a",
		"gate: {a: few}":          "line 1",
		"gate: {a: -1}":           "-1",
		"gate: {a: 101%}":         "101%",
		"gate: {a: NaN%}":         "NaN",
		"gate: {a: {b: 0}}":       "limit of a",
		"gate: [a]":               "no mapping",
		"gate: a":                 "no mapping",
		"min_records: -1":         "negative",
		"min_records: 1\n---\n":   "something follows",
		"ignore: {":               "bad rule",
	} {
		if _, err := compare.ParseRules([]byte(text)); !errors.Is(err, compare.ErrRule) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "struct") {
			t.Errorf("ParseRules(%q): error %v, want … %s …", text, err, want)
		}
	}
}

// TestParseRulesEmpty takes files that say nothing.
func TestParseRulesEmpty(t *testing.T) {
	for _, text := range []string{"", "\n", "# nothing\n", "---\n", "{}", "null"} {
		if _, err := compare.ParseRules([]byte(text)); err != nil {
			t.Errorf("ParseRules(%q): %v", text, err)
		}
	}
}

// TestCheckIgnored refuses a gate on what the rules ignore, all or in part.
func TestCheckIgnored(t *testing.T) {
	ref := func(name, to string) state.Field { return state.Field{Name: name, Type: state.Reference, Ref: to} }
	schemas := []*state.Schema{
		{Name: "R", Kind: state.Object, Key: []string{"k"}, Fields: []state.Field{{Name: "k"}, {Name: "a", Type: state.Int}, {Name: "ab", Type: state.Int}, ref("list", "L")}},
		{Name: "L", Kind: state.List, Element: "P"},
		{Name: "P", Kind: state.Object, Fields: []state.Field{{Name: "x", Type: state.Int}, {Name: "y", Type: state.Int}}},
	}
	for _, c := range []struct {
		gate, ignore string
		want         string // of the error; nothing if there is none
	}{
		{"a", "a", "the gate limits a, and ignore has a: take one of them out"},
		{"list[].x", "list", "the gate limits list[].x, and ignore has list"},
		{"list[].x", "list[]", "the gate limits list[].x, and ignore has list[]"},
		{"list", "list[].x", "the gate limits list, and ignore has list[].x"},
		{"list", "list[]", "the gate limits list, and ignore has list[]"},
		{"a", "ab", ""},
		{"ab", "a", ""},
		{"list[].x", "list[].y", ""},
		{"changed", "a", ""},
		{"added", "list", ""},
	} {
		for name, r := range map[string]compare.Rules{
			"limit": {Gate: compare.Gate{Limits: []compare.Limit{{Of: c.gate}}}},
			"field": {Gate: compare.Gate{Fields: []string{c.gate}}},
		} {
			if name == "field" && (c.gate == "changed" || c.gate == "added") {
				continue // words only of limits
			}
			r.Ignore = []string{"ab", c.ignore}
			if c.gate == "ab" {
				r.Ignore = []string{c.ignore}
			}
			switch err := r.Check("R", schemas); {
			case c.want == "" && err != nil:
				t.Errorf("%s %s, ignoring %s: %v", name, c.gate, c.ignore, err)
			case c.want != "" && (!errors.Is(err, compare.ErrRule) || !strings.Contains(err.Error(), c.want)):
				t.Errorf("%s %s, ignoring %s: error %v, want … %s …", name, c.gate, c.ignore, err, c.want)
			}
		}
	}
	both := compare.Rules{Ignore: []string{"a"}, Values: []string{"a"}}
	if err := both.Check("R", schemas); !errors.Is(err, compare.ErrRule) || !strings.Contains(err.Error(), "values has a") {
		t.Errorf("counting values of what is ignored: error %v", err)
	}
}

// TestComparesNothing tells rules under which all records are the same.
func TestComparesNothing(t *testing.T) {
	root := &state.Schema{Name: "R", Kind: state.Object, Key: []string{"k", "owner.id"}, Fields: []state.Field{{Name: "k"}, {Name: "owner"}, {Name: "a"}, {Name: "list"}}}
	keys := &state.Schema{Name: "R", Kind: state.Object, Key: []string{"k"}, Fields: []state.Field{{Name: "k"}}}
	more := &state.Schema{Name: "R", Kind: state.Object, Key: []string{"k"}, Fields: []state.Field{{Name: "k"}, {Name: "new"}}}
	for _, c := range []struct {
		ignore string
		roots  []*state.Schema
		want   bool
	}{
		{"", []*state.Schema{root}, false},
		{"a list owner", []*state.Schema{root, root}, true},
		{"k a list[] owner", []*state.Schema{root, root}, true},
		{"a list", []*state.Schema{root}, false},
		{"a list[].x owner", []*state.Schema{root}, false},
		{"a list owner", []*state.Schema{root, more}, false},
		{"a list owner new", []*state.Schema{root, more}, true},
		{"k", []*state.Schema{keys, keys}, false},
		{"", []*state.Schema{keys, keys}, false},
	} {
		if got := (compare.Rules{Ignore: strings.Fields(c.ignore)}).ComparesNothing(c.roots...); got != c.want {
			t.Errorf("ignoring %q: %v, want %v", c.ignore, got, c.want)
		}
	}
}

// TestLimitReasons says what a person reads about a broken limit.
func TestLimitReasons(t *testing.T) {
	d := &diff.Result{
		Added: 1, Removed: 2, Changed: 30, Unchanged: 67,
		Fields: map[string]int{"a": 10, "shares[].percent": 5, "shares[]": 4, "sharesold": 9},
	}
	for text, want := range map[string]string{
		"a: 10": "", "a: 9": "a differs in 10 records, at most 9 may be", "a: 0": "a differs in 10 records",
		"a: 10%": "", "a: 9.9%": "a differs in 10 records, at most 9.9% may be",
		"shares: 9": "", "shares: 8": "shares differs in 9 records, at most 8 may be", "b: 0": "",
		"changed: 29": "30 records were changed, at most 29 may be",
	} {
		l, err := compare.ParseLimit(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, reasons := (compare.Gate{Limits: []compare.Limit{l}}).Judge(d); strings.Join(reasons, "; ") != want {
			t.Errorf("%s: %q, want %q", text, reasons, want)
		}
	}
}

func TestSum(t *testing.T) {
	of := func(v compare.Verdict) *compare.Report {
		return &compare.Report{Verdict: v, Reasons: []string{string(v)}}
	}
	unstable := of(compare.Inconclusive)
	unstable.Unstable = true
	for _, x := range []struct {
		reports []*compare.Report
		want    compare.Verdict
	}{
		{nil, compare.Inconclusive},
		{[]*compare.Report{of(compare.Go), of(compare.Go)}, compare.Go},
		{[]*compare.Report{of(compare.Same)}, compare.Same},
		{[]*compare.Report{of(compare.Go), of(compare.Inconclusive), of(compare.Go)}, compare.Inconclusive},
		{[]*compare.Report{of(compare.Inconclusive), of(compare.NoGo), of(compare.Go)}, compare.NoGo},
		{[]*compare.Report{of(compare.Different), of(compare.Same)}, compare.Different},
		{[]*compare.Report{of(compare.NoGo), unstable}, compare.Inconclusive},
	} {
		got, reasons := compare.Sum(x.reports)
		if got != x.want || got != compare.Inconclusive && strings.Join(reasons, "") != string(got) {
			t.Errorf("the sum is %s because of %q, want %s", got, reasons, x.want)
		}
	}
}
