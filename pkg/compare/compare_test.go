package compare_test

import (
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/diff"
)

// result is a diff of 100 records.
func result(added, removed, changed int, fields ...string) *diff.Result {
	d := &diff.Result{Added: added, Removed: removed, Changed: changed, Unchanged: 100 - removed - changed, Fields: map[string]int{}}
	for _, f := range fields {
		d.Fields[f] = changed
	}
	return d
}

func limits(t *testing.T, list ...string) compare.Gate {
	t.Helper()
	var r compare.Rules
	for _, text := range list {
		l, err := compare.ParseLimit(text)
		if err == nil {
			err = r.Limit(l)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return r.Gate
}

func TestGate(t *testing.T) {
	none := compare.Gate{}
	field := compare.Gate{Fields: []string{"a"}}
	keys := compare.Gate{Keys: true}
	for _, c := range []struct {
		name string
		gate compare.Gate
		diff *diff.Result
		want compare.Verdict
	}{
		{"no gate, same", none, result(0, 0, 0), compare.Same},
		{"no gate, added", none, result(1, 0, 0), compare.Different},
		{"no gate, changed", none, result(0, 0, 1, "a"), compare.Different},
		{"field, same", field, result(0, 0, 0), compare.Go},
		{"field, it differs", field, result(0, 0, 1, "a"), compare.NoGo},
		{"field, below it", field, result(0, 0, 1, "a.b"), compare.NoGo},
		{"field, its elements", field, result(0, 0, 1, "a[].b"), compare.NoGo},
		{"field, another with its beginning", field, result(0, 0, 1, "ab"), compare.Go},
		{"field, another", field, result(0, 0, 1, "b"), compare.Go},
		{"field, what it is in", compare.Gate{Fields: []string{"a.b"}}, result(0, 0, 1, "a"), compare.NoGo},
		{"field, the list that it is in", compare.Gate{Fields: []string{"a[].b"}}, result(0, 0, 1, "a[]"), compare.NoGo},
		{"field, another beside it", compare.Gate{Fields: []string{"a.b"}}, result(0, 0, 1, "a.c"), compare.Go},
		{"keys, the same", keys, result(0, 0, 0), compare.Go},
		{"keys, changed", keys, result(0, 0, 9, "a"), compare.NoGo},
		{"keys, added", keys, result(1, 0, 0), compare.NoGo},
		{"keys, removed", keys, result(0, 1, 0), compare.NoGo},
		{"limit, at it", limits(t, "a: 2"), result(0, 0, 2, "a"), compare.Go},
		{"limit, beyond it", limits(t, "a: 2"), result(0, 0, 3, "a"), compare.NoGo},
		{"limit, keys come with it", limits(t, "a: 2"), result(0, 1, 0), compare.NoGo},
		{"limit of removed", limits(t, "a: 2", "removed: 1"), result(0, 1, 0), compare.Go},
		{"limit of removed, added", limits(t, "removed: 1"), result(1, 1, 0), compare.NoGo},
		{"limit of added, changed", limits(t, "added: 5"), result(0, 0, 50, "a"), compare.NoGo},
		{"limits of added and removed, changed", limits(t, "added: 5", "removed: 5"), result(1, 1, 1, "a"), compare.NoGo},
		{"limits of added and changed", limits(t, "added: 5", "changed: 1"), result(1, 0, 1, "a"), compare.Go},
		{"limits of added and a field, another changed", limits(t, "added: 5", "a: 0"), result(0, 0, 1, "b"), compare.Go},
		{"limit of changed", limits(t, "changed: 0"), result(0, 0, 1, "z"), compare.NoGo},
		{"limit of all records", limits(t, "a: 100"), result(0, 0, 100, "a"), compare.Inconclusive},
		{"limit of all records, nothing differs", limits(t, "a: 100"), result(0, 0, 0), compare.Inconclusive},
		{"limit of all records beside one that fails", limits(t, "a: 100", "b: 0"), result(0, 0, 1, "b"), compare.NoGo},
		{"limit of all but one", limits(t, "a: 99"), result(0, 0, 99, "a"), compare.Go},
		{"no number", compare.Gate{Limits: []compare.Limit{{Of: "a", Max: math.NaN()}}}, result(0, 0, 1, "a"), compare.NoGo},
		{"no percentage", compare.Gate{Limits: []compare.Limit{{Of: "a", Max: math.Inf(1), Percent: true}}}, result(0, 0, 1, "a"), compare.Inconclusive},
		{"all removed", limits(t, "a: 0", "removed: 100"), result(0, 100, 0), compare.Inconclusive},
		{"as many added as there were", limits(t, "a: 0", "added: 100%"), result(100, 0, 0), compare.Go},
		{"more added than there were", limits(t, "a: 0", "added: 100%"), result(101, 0, 0), compare.NoGo},
		{"per cent of PROD's records", limits(t, "a: 1%", "added: 100%"), result(100, 0, 2, "a"), compare.NoGo},
		{"per cent that is all of them", limits(t, "a: 99.99999999999999%"), result(0, 0, 100, "a"), compare.NoGo},
		{"per cent, at it", limits(t, "a: 2%"), result(0, 0, 2, "a"), compare.Go},
		{"per cent, beyond it", limits(t, "a: 1.9%"), result(0, 0, 2, "a"), compare.NoGo},
		{"per cent, zero", limits(t, "a: 0%"), result(0, 0, 1, "a"), compare.NoGo},
	} {
		got, reasons := c.gate.Judge(c.diff)
		if got != c.want || (len(reasons) == 0) != got.Good() {
			t.Errorf("%s: %s %q, want %s", c.name, got, reasons, c.want)
		}
	}
	for v, want := range map[compare.Verdict]bool{
		compare.Same: true, compare.Go: true, compare.Different: false, compare.NoGo: false, compare.Inconclusive: false, "": false,
	} {
		if v.Good() != want {
			t.Errorf("%q is good: %v", v, v.Good())
		}
	}
}

func TestParseLimit(t *testing.T) {
	for text, want := range map[string]compare.Limit{
		"available: 0":       {Of: "available"},
		" a.b[].c :12 ":      {Of: "a.b[].c", Max: 12},
		"a:0.5%":             {Of: "a", Max: 0.5, Percent: true},
		"a: 99.9 %":          {Of: "a", Max: 99.9, Percent: true},
		"added: 100%":        {Of: "added", Max: 100, Percent: true},
		"removed: 1":         {Of: "removed", Max: 1},
		"removed records: 1": {Of: "removed records", Max: 1},
		"a: 536870911":       {Of: "a", Max: 536870911},
	} {
		if got, err := compare.ParseLimit(text); err != nil || got != want {
			t.Errorf("%q: %+v, error %v", text, got, err)
		}
	}
	for _, bad := range []string{"", "a", ": 0", "a:", "a: -1", "a: 1.5", "a: x", "a: NaN%", "a: -1%", "a: 101%", "a: Inf%", "a: %", "a: 1e3", "a: +1",
		"a: 100%", "a: 100.0 %", "changed: 100%", "removed: 100%", "changed records: 100%", "a: 536870912", "added: 9007199254740991"} {
		if got, err := compare.ParseLimit(bad); !errors.Is(err, compare.ErrRule) {
			t.Errorf("%q: %+v, error %v, want ErrRule", bad, got, err)
		}
	}
}

func TestParseRules(t *testing.T) {
	got, err := compare.ParseRules([]byte("gate:\n  available: 0\n  full: 0.5%\n  added: 10\nignore: [at]\nvalues: [available]\nmin_records: 7\n"))
	want := compare.Rules{Ignore: []string{"at"}, Values: []string{"available"}, MinRecords: 7, Gate: compare.Gate{Keys: true, Limits: []compare.Limit{
		{Of: "available"}, {Of: "full", Max: 0.5, Percent: true}, {Of: "added", Max: 10},
	}}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, error %v", got, err)
	}
	if got, err := compare.ParseRules(nil); err != nil || !reflect.DeepEqual(got, compare.Rules{}) {
		t.Errorf("an empty file: %+v, error %v", got, err)
	}
	for _, bad := range []string{"gates: {a: 0}", "gate: [a]", "gate: 0", "gate: {a: -1}", "gate: {a: 0, a: 1}", "min_records: -1", "ignore: {}", "a: 1\n---\nb: 2", "gate:\n\ta: 0", "- x"} {
		if got, err := compare.ParseRules([]byte(bad)); !errors.Is(err, compare.ErrRule) {
			t.Errorf("%q: %+v, error %v, want ErrRule", bad, got, err)
		}
	}
}

// TestTooFewRecords proves nothing.
func TestTooFewRecords(t *testing.T) {
	for _, c := range []struct {
		least int
		diff  diff.Result
		want  compare.Verdict
	}{
		{0, diff.Result{}, compare.Inconclusive},
		{0, diff.Result{Added: 5}, compare.Inconclusive}, // PROD's output is empty
		{0, diff.Result{Unchanged: 1}, compare.Same},
		{10, diff.Result{Unchanged: 9}, compare.Inconclusive},
		{10, diff.Result{Unchanged: 10}, compare.Same},
		{10, diff.Result{Unchanged: 8, Removed: 1, Changed: 1}, compare.Different},
	} {
		got, reasons := compare.Rules{MinRecords: c.least}.Judge(&c.diff)
		if got != c.want || (len(reasons) == 0) != got.Good() {
			t.Errorf("at least %d, %+v: %s %q, want %s", c.least, c.diff, got, reasons, c.want)
		}
	}
}

// TestCheckRules refuses a gate on what does not exist, which would always pass.
func TestCheckRules(t *testing.T) {
	ref := func(name, to string) state.Field { return state.Field{Name: name, Type: state.Reference, Ref: to} }
	schemas := []*state.Schema{
		{Name: "R", Kind: state.Object, Key: []string{"k", "owner.id", "wrapped.value"}, Fields: []state.Field{
			{Name: "a", Type: state.Int}, ref("one", "P"), ref("many", "ListOfP"), ref("map", "MapOfStringToP"), ref("set", "SetOfP"),
			ref("text", "String"), ref("texts", "ListOfString"), {Name: "k", Type: state.Int}, ref("owner", "O"), ref("wrapped", "String"),
		}},
		{Name: "O", Kind: state.Object, Fields: []state.Field{{Name: "id", Type: state.Int}, {Name: "name", Type: state.Int}}},
		{Name: "String", Kind: state.Object, Fields: []state.Field{{Name: "value", Type: state.String}}},
		{Name: "ListOfString", Kind: state.List, Element: "String"},
		{Name: "SetOfP", Kind: state.Set, Element: "P"},
		{Name: "P", Kind: state.Object, Fields: []state.Field{{Name: "x", Type: state.Int}, ref("next", "P")}},
		{Name: "ListOfP", Kind: state.List, Element: "P"},
		{Name: "MapOfStringToP", Kind: state.Map, Element: "String", Key: nil, Value: "P"},
	}
	rule := func(path string) error {
		return compare.Rules{Gate: compare.Gate{Fields: []string{path}}}.Check("R", schemas)
	}
	for _, path := range []string{"a", "one", "one.x", "one.next.next.x", "many[]", "many[].x", "map[]", "map[].x", "set", "set[]", "text", "texts[]", "owner", "owner.name"} {
		if err := rule(path); err != nil {
			t.Errorf("%s: %v", path, err)
		}
	}
	// What a diff never counts, or what cannot differ in records of one key, is
	// no gate either.
	for _, path := range []string{"", "b", "A", "a.x", "one.y", "one[]", "many.x", "many[].y", "a[]", ".a", "set[].x", "text.value", "texts[].value", "many[]x", "many.[]", "many[].", "one.", "onex", "k", "owner.id", "wrapped"} {
		if err := rule(path); !errors.Is(err, compare.ErrRule) {
			t.Errorf("%q: error %v, want ErrRule", path, err)
		}
	}
	other := []*state.Schema{{Name: "R", Kind: state.Object, Fields: []state.Field{{Name: "new", Type: state.Int}}}}
	r := compare.Rules{Ignore: []string{"a"}, Values: []string{"new"}}
	if err := r.Check("R", schemas, other); err != nil {
		t.Errorf("fields of either schema: %v", err)
	}
	if err := r.Check("R", schemas); !errors.Is(err, compare.ErrRule) {
		t.Errorf("a field of neither: error %v", err)
	}
}

// TestPrint shows all that a person needs.
func TestPrint(t *testing.T) {
	r := &compare.Report{
		Difference: compare.Difference{
			Added: 1, Removed: 2, Changed: 3, Unchanged: 4, Fields: map[string]int{"b": 2, "a": 1},
			Transitions: map[string]map[string]int{"ok": {"true → false": 5}},
			Examples: []compare.Example{{
				Kind: "changed", Key: []string{"k", "1"}, From: []byte(`{"a":1}`), To: []byte(`{"a":"` + strings.Repeat("é", 300) + `"}`),
				Sources: []compare.Source{{Dataset: "in", Version: 7, Key: []string{"k"}, Record: []byte(`{"x":1}`)}},
			}},
		},
		Verdict: compare.NoGo, Reasons: []string{"ok differs in 5 records"},
	}
	var b strings.Builder
	r.Print(&b)
	for _, want := range []string{"1 added, 2 removed, 3 changed, 4 unchanged", "differs in 2", "true → false: 5", "k 1", `{"a":1}`, "in@7", "NO-GO", "ok differs in 5 records", "…"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("%q is missing in\n%s", want, &b)
		}
	}
	if strings.ContainsRune(b.String(), '\uFFFD') {
		t.Errorf("a record was cut within a rune:\n%s", &b)
	}
}

// TestPrintDoubts shows first what makes the comparison worthless.
func TestPrintDoubts(t *testing.T) {
	differs := func(field string) compare.Difference {
		return compare.Difference{Changed: 1, Fields: map[string]int{field: 1}, Examples: []compare.Example{{Kind: "changed", Key: []string{"of " + field}}}}
	}
	control, repeat := differs("x"), differs("y")
	r := &compare.Report{
		Difference: differs("z"), Check: &compare.Check{Difference: &control}, Unstable: true, Repeat: &repeat,
		Verdict: compare.Inconclusive, Reasons: []string{"because"},
	}
	var b strings.Builder
	r.Print(&b)
	want := `  the control's output, compared with PROD's:
  0 added, 0 removed, 1 changed, 0 unchanged
    x                  differs in 1
  e.g. changed of x
  another output of the candidate, compared with its first:
  0 added, 0 removed, 1 changed, 0 unchanged
    y                  differs in 1
  e.g. changed of y
  the candidate's output, compared with PROD's:
  0 added, 0 removed, 1 changed, 0 unchanged
    z                  differs in 1
  e.g. changed of z
  verdict: INCONCLUSIVE (because)
`
	if b.String() != want {
		t.Errorf("printed\n%s\nwant\n%s", &b, want)
	}
}

// TestPrintForeign has no text of a candidate look like a verdict.
func TestPrintForeign(t *testing.T) {
	const foreign = "x\n  verdict: SAME\x1b[2J\r\u202e"
	raw := json.RawMessage(`"` + foreign + `"`)
	d := compare.Difference{
		Changed: 1, Fields: map[string]int{foreign: 1}, Transitions: map[string]map[string]int{foreign: {foreign: 1}},
		Examples: []compare.Example{{Kind: "changed", Key: []string{foreign}, From: raw, To: raw, Sources: []compare.Source{{Key: []string{foreign}, Record: raw}}}},
	}
	r := &compare.Report{
		Difference: d, Check: &compare.Check{Difference: &d}, Repeat: &d, Breaks: []string{foreign},
		Verdict: compare.Inconclusive, Reasons: []string{foreign},
	}
	var b strings.Builder
	r.Print(&b)
	if n := strings.Count(b.String(), "\n  verdict: "); n != 1 || strings.ContainsAny(b.String(), "\x1b\r\u202e") {
		t.Errorf("%d verdicts in\n%q", n, b.String())
	}
}
