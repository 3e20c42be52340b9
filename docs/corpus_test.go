package docs_test

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"
)

var fuzzTarget = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)

// TestCorpora holds that each fuzz target has a committed corpus, and each
// corpus a target, and that they stay small enough for every clone and every
// test run.
func TestCorpora(t *testing.T) {
	const mostFiles, mostBytes = 60, 100 << 10 // of a target
	targets := map[string]bool{}               // by the folder of its corpus
	for _, file := range files(t, "_test.go") {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range fuzzTarget.FindAllSubmatch(text, -1) {
			targets[filepath.Join(filepath.Dir(file), "testdata", "fuzz", string(m[1]))] = true
		}
	}
	if len(targets) < 20 {
		t.Errorf("%d targets were found", len(targets))
	}
	for folder := range targets {
		inputs, err := os.ReadDir(folder)
		if err != nil || len(inputs) == 0 {
			t.Errorf("%s: no corpus (%v): run the target and commit the inputs that it finds, small ones first", folder, err)
		}
		var bytes int64
		for _, e := range inputs {
			info, err := e.Info()
			if err != nil {
				t.Fatal(err)
			}
			bytes += info.Size()
		}
		if len(inputs) > mostFiles || bytes > mostBytes {
			t.Errorf("%s has %d files of %d bytes in all, want at most %d and %d", folder, len(inputs), bytes, mostFiles, mostBytes)
		}
		others, err := filepath.Glob(filepath.Join(filepath.Dir(folder), "*"))
		if err != nil {
			t.Fatal(err)
		}
		for _, other := range others {
			if !targets[other] {
				t.Errorf("%s is the corpus of no target", other)
			}
		}
	}
}
