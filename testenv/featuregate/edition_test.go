package featuregate

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// editionsVariable names a folder of more editions for the tests to read.
const editionsVariable = "HOLDFAST_EDITIONS"

// allEditions returns the embedded editions and those of editionsVariable.
func allEditions(t testing.TB) []Edition {
	t.Helper()
	editions := Editions()
	if dir := os.Getenv(editionsVariable); dir != "" {
		more, err := EditionsIn(dir)
		if err != nil {
			t.Fatalf("read $%s: %v", editionsVariable, err)
		}
		editions = append(editions, more...)
	}
	return editions
}

func namesOf(editions []Edition) []string {
	var names []string
	for _, e := range editions {
		names = append(names, e.Name)
	}
	return names
}

func TestEditionsAreInByteOrder(t *testing.T) {
	want := []string{"1.0.30001788", "1.0.30001791", "1.0.30001797", "1.0.30001800"}
	if diff := cmp.Diff(want, namesOf(Editions())); diff != "" {
		t.Errorf("editions (-want +got):\n%s", diff)
	}
}

// TestDigests holds every embedded file to editions/SHA256SUMS.
func TestDigests(t *testing.T) {
	sums, err := embedded.Open(path.Join(embeddedFolder, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string]string{}
	for lines := bufio.NewScanner(sums); lines.Scan(); {
		sum, file, ok := strings.Cut(lines.Text(), "  ")
		if !ok {
			t.Fatalf("SHA256SUMS has the line %q", lines.Text())
		}
		declared[file] = sum
	}
	got := map[string]string{}
	for _, e := range Editions() {
		for _, n := range InputDatasets() {
			r, file, err := e.Open(n)
			if err != nil {
				t.Fatal(err)
			}
			h := sha256.New()
			if _, err := io.Copy(h, r); err != nil {
				t.Fatal(err)
			}
			if err := r.Close(); err != nil {
				t.Error(err)
			}
			file = strings.TrimPrefix(filepath.ToSlash(file), embeddedFolder+"/")
			got[file] = fmt.Sprintf("%x", h.Sum(nil))
		}
	}
	if diff := cmp.Diff(declared, got); diff != "" {
		t.Errorf("digests (-declared +got):\n%s", diff)
	}
}

func TestNoticeIsEmbedded(t *testing.T) {
	b, err := embedded.ReadFile(path.Join(embeddedFolder, "NOTICE.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"caniuse.com", "Alexis Deveria", "CC BY 4.0", "StatCounter"} {
		if !strings.Contains(string(b), want) {
			t.Errorf("the notice does not name %s", want)
		}
	}
}

// tree writes files, by path below a new folder, and returns the folder.
func tree(t *testing.T, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range files {
		file := filepath.Join(dir, filepath.FromSlash(f))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(f), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestEditionsIn(t *testing.T) {
	dir := tree(t,
		"b/features.jsonl", "b/browsers.jsonl.gz", "b/usage.jsonl", "b/usage.jsonl.gz", "b/README",
		"B/features.jsonl", "B/browsers.jsonl", "B/usage.jsonl", "B/sub/usage.jsonl",
		"a10/features.jsonl.gz", "a10/browsers.jsonl.gz", "a10/usage.jsonl.gz",
		"a9/features.jsonl.gz", "a9/browsers.jsonl.gz", "a9/usage.jsonl.gz",
		"other/notes.txt", "usage.jsonl", "README.md")
	if err := os.Symlink(filepath.Join(dir, "b"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	editions, err := EditionsIn(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"B", "a10", "a9", "b", "link"}, namesOf(editions)); diff != "" {
		t.Errorf("editions (-want +got):\n%s", diff)
	}
	want := map[dataset.Name]string{
		Features: "b/features.jsonl", Browsers: "b/browsers.jsonl.gz", Usage: "b/usage.jsonl.gz",
	}
	for n, content := range want {
		r, file, err := editions[3].Open(n)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		if b, err := io.ReadAll(r); err != nil || string(b) != content {
			t.Errorf("Open(%s) has %q, error %v; want %q", n, b, err, content)
		}
		if want := filepath.Join(dir, filepath.FromSlash(content)); file != want {
			t.Errorf("Open(%s) names the file %s, want %s", n, file, want)
		}
	}
}

func TestEditionsInRefuses(t *testing.T) {
	t.Run("a folder without editions", func(t *testing.T) {
		dir := tree(t, "a/notes.txt", "usage.jsonl")
		if _, err := EditionsIn(dir); !errors.Is(err, ErrNoEdition) || !strings.Contains(err.Error(), dir) {
			t.Errorf("error is %v, want ErrNoEdition naming %s", err, dir)
		}
	})
	t.Run("an edition without a file", func(t *testing.T) {
		dir := tree(t, "a/features.jsonl.gz", "a/usage.jsonl.gz")
		if err := os.Mkdir(filepath.Join(dir, "a", "browsers.jsonl.gz"), 0o755); err != nil {
			t.Fatal(err)
		}
		_, err := EditionsIn(dir)
		var missing *MissingFileError
		if !errors.As(err, &missing) {
			t.Fatalf("error is %v, want a MissingFileError", err)
		}
		want := MissingFileError{Folder: filepath.Join(dir, "a"), Dataset: Browsers}
		if *missing != want {
			t.Errorf("error is %+v, want %+v", *missing, want)
		}
	})
	t.Run("no folder", func(t *testing.T) {
		if _, err := EditionsIn(filepath.Join(t.TempDir(), "absent")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error is %v, want fs.ErrNotExist", err)
		}
	})
	t.Run("a file", func(t *testing.T) {
		file := filepath.Join(tree(t, "file"), "file")
		if _, err := EditionsIn(file); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("error is %v, want one naming %s", err, file)
		}
	})
}

func TestOpenRefusesOutput(t *testing.T) {
	if _, _, err := Editions()[0].Open(Output); !errors.Is(err, ErrNotInEdition) {
		t.Errorf("error is %v, want ErrNotInEdition", err)
	}
}
