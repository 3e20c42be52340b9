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

// deep are the schemas of a root type with messages, lists, maps and recursion.
func deep() []*state.Schema {
	ref := func(name, to string) state.Field { return state.Field{Name: name, Type: state.Reference, Ref: to} }
	return []*state.Schema{
		{Name: "R", Kind: state.Object, Key: []string{"k", "owner.id", "code.value"}, Fields: []state.Field{
			{Name: "k", Type: state.Int}, ref("owner", "O"), ref("code", "String"), {Name: "a", Type: state.Int}, ref("sub", "P"), ref("list", "ListOfP"),
			ref("map", "MapOfStringToP"), ref("text", "String"), ref("texts", "ListOfString"), ref("set", "SetOfString"), ref("node", "N"), ref("flag", "Empty"),
		}},
		{Name: "O", Kind: state.Object, Fields: []state.Field{{Name: "id", Type: state.Int}}},
		{Name: "P", Kind: state.Object, Fields: []state.Field{{Name: "x", Type: state.Int}, {Name: "y", Type: state.Int}}},
		{Name: "N", Kind: state.Object, Fields: []state.Field{{Name: "v", Type: state.Int}, ref("next", "N"), ref("all", "ListOfN")}},
		{Name: "Empty", Kind: state.Object},
		{Name: "String", Kind: state.Object, Fields: []state.Field{{Name: "value", Type: state.String}}},
		{Name: "ListOfP", Kind: state.List, Element: "P"}, {Name: "ListOfN", Kind: state.List, Element: "N"},
		{Name: "ListOfString", Kind: state.List, Element: "String"}, {Name: "SetOfString", Kind: state.Set, Element: "String"},
		{Name: "MapOfStringToP", Kind: state.Map, Element: "String", Value: "P"},
	}
}

// TestComparesNothing tells rules under which all records are the same, whether
// they name fields or all that is in them.
func TestComparesNothing(t *testing.T) {
	const whole = "a sub list map text texts set node flag"
	for ignore, want := range map[string]bool{
		"":                                   false,
		"k":                                  false,
		whole:                                true,
		"k owner code " + whole:              true,
		"a sub list map text texts set node": false, // flag
		"a sub.x sub.y list[] map[] text texts[] set[] node flag":                                           true,
		"a sub.x sub.y list[].x list[].y map[].x map[].y text texts set node flag":                          true,
		"a sub.x list map text texts set node flag":                                                         false,
		"a sub list[].y map text texts set node flag":                                                       false,
		"a sub list map[].x text texts set node flag":                                                       false,
		"a sub list map text texts set node.v flag":                                                         false,
		"a sub list map text texts set node.v node.next node.all flag":                                      true,
		"a sub list map text texts set node.v node.next.v node.next.next node.next.all node.all flag":       true,
		"a sub list map text texts set node.v node.next.v node.next.next.v node.next.all node.all flag":     false,
		"a sub list map text texts set node.v node.next node.all[].v node.all[].next node.all[].all[] flag": true,
		"a sub list map text texts set node.v node.next node.all[].v node.all[].next flag":                  false,
	} {
		r := compare.Rules{Ignore: strings.Fields(ignore)}
		if err := r.Check("R", deep()); err != nil {
			t.Errorf("ignoring %q: %v", ignore, err)
		}
		if got := r.ComparesNothing("R", deep()); got != want {
			t.Errorf("ignoring %q: %v, want %v", ignore, got, want)
		}
	}
	keys := []*state.Schema{{Name: "R", Kind: state.Object, Key: []string{"k"}, Fields: []state.Field{{Name: "k"}}}}
	for _, ignore := range []string{"", "k"} {
		if (compare.Rules{Ignore: strings.Fields(ignore)}).ComparesNothing("R", keys) {
			t.Errorf("ignoring %q of a type that has only its key: it compares all that there is", ignore)
		}
	}
	if (compare.Rules{}).ComparesNothing("S", keys) {
		t.Error("of a type that is not there: nothing is ignored")
	}
}

// TestGateOfKey refuses a gate on what has no field but those of the key.
func TestGateOfKey(t *testing.T) {
	for _, path := range []string{"k", "owner", "owner.id", "code"} {
		r := compare.Rules{Gate: compare.Gate{Fields: []string{path}}}
		if err := r.Check("R", deep()); !errors.Is(err, compare.ErrRule) || !strings.Contains(err.Error(), "is of the key") {
			t.Errorf("%s: error %v", path, err)
		}
	}
}

// TestGateWords refuses a gate of which it is not clear whether it limits records
// or a field.
func TestGateWords(t *testing.T) {
	schemas := []*state.Schema{{Name: "R", Kind: state.Object, Key: []string{"k"}, Fields: []state.Field{{Name: "k"}, {Name: "removed"}, {Name: "a"}}}}
	for text, want := range map[string]string{
		"removed: 1":         `R has a field removed, which a gate cannot limit by itself: write "removed records" if removed records are meant`,
		"removed records: 1": "", "added: 1": "", "added records: 1": "", "a: 0": "",
		"a records: 1": "R has no field a records",
	} {
		var r compare.Rules
		l, err := compare.ParseLimit(text)
		if err == nil {
			err = r.Limit(l)
		}
		if err != nil {
			t.Fatal(err)
		}
		switch err := r.Check("R", schemas); {
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want != "" && (!errors.Is(err, compare.ErrRule) || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: error %v, want … %s …", text, err, want)
		}
	}
	r := compare.Rules{Gate: compare.Gate{Limits: []compare.Limit{{Of: "removed"}}}}
	if err := r.Limit(compare.Limit{Of: "removed records", Max: 5}); !errors.Is(err, compare.ErrRule) {
		t.Errorf("two limits of the same records: error %v", err)
	}
}

// TestLimitReasons says what a person reads about a broken limit.
func TestLimitReasons(t *testing.T) {
	d := &diff.Result{
		Added: 1, Removed: 2, Changed: 30, Unchanged: 68,
		Fields: map[string]int{"a": 10, "shares[].percent": 5, "shares[]": 4, "sharesold": 9, "one": 1},
		Groups: map[string]int{"shares": 6},
	}
	for text, want := range map[string]string{
		"a: 10": "", "a: 9": "a differs in 10 records, at most 9 may be", "a: 0": "a differs in 10 records",
		"a: 10%": "", "a: 9.9%": "a differs in 10 records, at most 9.9% may be",
		"shares: 6": "", "shares: 5": "shares differs in 6 records, at most 5 may be", "b: 0": "",
		"changed: 29": "30 records were changed, at most 29 may be", "changed records: 29": "30 records were changed, at most 29 may be",
		"added: 0": "1 record was added", "added: 1%": "", "removed: 1": "2 records were removed, at most 1 may be", "one: 0": "one differs in 1 record",
		"shares[]: 8": "shares[] differs in 9 records, at most 8 may be", // the sum of its fields, as nobody counted its records
		"changed: 99": "", "changed: 100": "the limit of changed could not have failed: at most 100 may be, and PROD's output has 100 records: lower it",
		"a: 500": "the limit of a could not have failed: at most 500 may be, and PROD's output has 100 records: lower it", "added: 500": "",
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
		{[]*compare.Report{of(compare.Go), of("")}, ""},
		{[]*compare.Report{of(compare.Same), of("same")}, "same"},
	} {
		got, reasons := compare.Sum(x.reports)
		if got != x.want || got != compare.Inconclusive && strings.Join(reasons, "") != string(got) {
			t.Errorf("the sum is %s because of %q, want %s", got, reasons, x.want)
		}
	}
}
