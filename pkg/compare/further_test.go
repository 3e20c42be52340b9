package compare_test

import (
	"testing"

	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/state/diff"
)

// TestGateCountsFurther: a record that differs in fields which were not told apart may
// differ in the one that a gate limits.
func TestGateCountsFurther(t *testing.T) {
	d := &diff.Result{Changed: 5, Unchanged: 5, Fields: map[string]int{"a": 1, diff.Further: 2}}
	for max, want := range map[float64]compare.Verdict{2: compare.NoGo, 3: compare.Go} {
		g := compare.Gate{Limits: []compare.Limit{{Of: "a", Max: max}}}
		if got, why := g.Judge(d); got != want {
			t.Errorf("at most %v: %v, %q, want %v", max, got, why, want)
		}
	}
}
