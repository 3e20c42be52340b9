package shadow

import (
	"path/filepath"
	"testing"
)

// TestManyRuns keeps many runs in few files: each operation opens all of them.
func TestManyRuns(t *testing.T) {
	dir := t.TempDir()
	const runs = 4 * manyTables
	s := putRuns(t, dir, runs)
	tables := must(filepath.Glob(filepath.Join(dir, "*"+tableExt)))(t)
	if len(tables) > 2*manyTables {
		t.Errorf("%d runs are in %d tables, want at most %d", runs, len(tables), 2*manyTables)
	}
	kept := map[string]bool{}
	for _, r := range must(s.All(t.Context()))(t) {
		kept[r.Candidate] = true
	}
	if len(kept) != runs {
		t.Errorf("%d of %d runs are kept", len(kept), runs)
	}
}
