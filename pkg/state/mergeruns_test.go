package state

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestMergeRuns sorts runs of any number and length.
func TestMergeRuns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var list []uint64
		var ends []int
		for range rapid.IntRange(0, 9).Draw(t, "runs") {
			run := rapid.SliceOfN(rapid.Uint64Max(99), 0, 12).Draw(t, "run")
			slices.Sort(run)
			list = append(list, run...)
			ends = append(ends, len(list))
		}
		want := slices.Clone(list)
		slices.Sort(want)
		if got := mergeRuns(list, ends); !slices.Equal(got, want) {
			t.Fatalf("got %d, want %d", got, want)
		}
	})
}
