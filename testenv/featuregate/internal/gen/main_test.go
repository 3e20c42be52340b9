package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestUpToDate holds the committed Go to the sources.
func TestUpToDate(t *testing.T) {
	dir := filepath.Join("..", "..")
	files, err := generate(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 4 {
		t.Errorf("%d files are generated, want 4", len(files))
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || string(got) != string(want) {
			t.Errorf("%s is not what its source gives (%v): run go generate ./testenv/featuregate", name, err)
		}
	}
}

func TestNoSources(t *testing.T) {
	if _, err := generate(t.Context(), t.TempDir()); err == nil {
		t.Error("an empty folder gives no error")
	}
}
