package docs_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
)

// No goroutine outlives the tests.
func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestLeaksAreNoticed wants every package with tests to look for goroutines that
// outlive them.
func TestLeaksAreNoticed(t *testing.T) {
	looks := map[string]bool{}
	for _, path := range files(t, "_test.go") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Dir(path)
		looks[dir] = looks[dir] || strings.Contains(string(text), "goleak.VerifyTestMain(")
	}
	for _, dir := range slices.Sorted(maps.Keys(looks)) {
		if !looks[dir] {
			t.Errorf("%s: has tests and does not look for leaks: add a leak_test.go like that of this folder", dir)
		}
	}
	if len(looks) < 20 {
		t.Errorf("only %d packages with tests were found", len(looks))
	}
}
