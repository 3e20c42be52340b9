package compare_test

import (
	"errors"
	"testing"

	"github.com/holdfast-data/holdfast/internal/fuzzing"
	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/diff"
)

// FuzzParseRules reads any text as rules. What is read can be checked against
// schemas and can judge.
func FuzzParseRules(f *testing.F) {
	for _, text := range []string{
		"gate:\n  available: 0\n  full_percent: 0.5%\n  added: 10\nignore: [computed_at]\nvalues: [available]\nmin_records: 1000\n",
		"gate: {}", "gate: {removed: 1e3%}", "ignore: &a [x]\nvalues: *a", "# nothing\n", "---\n...\n", "? [a]\n: b", "min_records: 0x10",
		"a: &a [x,x]\nb: &b [*a,*a]\nignore: [*b]",
	} {
		f.Add([]byte(text))
	}
	schemas := []*state.Schema{{Name: "R", Kind: state.Object, Key: []string{"k"}, Fields: []state.Field{{Name: "k", Type: state.Int}, {Name: "available", Type: state.Int}}}}
	f.Fuzz(func(t *testing.T, text []byte) {
		var rules compare.Rules
		var err error
		fuzzing.Limit{Fixed: 1 << 20, PerByte: 3000}.Check(t, "rules", len(text), func() { rules, err = compare.ParseRules(text) })
		if err != nil {
			if !errors.Is(err, compare.ErrRule) {
				t.Errorf("error %v is not ErrRule", err)
			}
			return
		}
		if err := rules.Check("R", schemas); err != nil && !errors.Is(err, compare.ErrRule) {
			t.Errorf("check: error %v is not ErrRule", err)
		}
		rules.Judge(&diff.Result{Added: 1, Changed: 2, Unchanged: 3, Fields: map[string]int{"available": 2}})
	})
}
