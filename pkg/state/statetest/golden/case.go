package golden

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Case is one set of vectors: a short history of one dataset. It shares its
// bytes with nobody; tests treat them as read-only.
type Case struct {
	Name  string
	Index Index
	// Files has every file of the case by its slash-separated name, such as
	// "snapshot-20250101000001001" or "expected/20250101000001001.jsonl".
	Files map[string][]byte
}

const suffix = ".tar.gz"

// Cases reads all cases, sorted by name. It fails t if one cannot be read.
func Cases(t testing.TB) []Case {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir(t), "*"+suffix))
	if err != nil || len(files) == 0 {
		t.Fatalf("list golden cases: %d found, error %v", len(files), err)
	}
	slices.Sort(files)
	cases := make([]Case, 0, len(files))
	for _, file := range files {
		cases = append(cases, open(t, file))
	}
	return cases
}

// Load reads the case of that name, such as "00-minimal".
func Load(t testing.TB, name string) Case {
	t.Helper()
	return open(t, filepath.Join(dir(t), name+suffix))
}

// HashVectors returns the JSON of hash-vectors.json, unit vectors of the
// format's encodings and hash functions.
func HashVectors(t testing.TB) []byte {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(dir(t), "hash-vectors.json.gz"))
	if err != nil {
		t.Fatalf("read hash vectors: %v", err)
	}
	b, err := gunzip(file)
	if err != nil {
		t.Fatalf("read hash vectors: %v", err)
	}
	return b
}

// File returns the bytes of a file. It panics if the case has no such file,
// because then the test asks for something that its index does not name.
func (c Case) File(name string) []byte {
	b, ok := c.Files[name]
	if !ok {
		panic(fmt.Sprintf("golden case %s has no file %q", c.Name, name))
	}
	return b
}

// Expected returns the text of a file, uncompressed if its name ends in .gz.
// It panics as File does.
func (c Case) Expected(name string) []byte {
	b := c.File(name)
	if path.Ext(name) != ".gz" {
		return b
	}
	text, err := gunzip(b)
	if err != nil {
		panic(fmt.Sprintf("golden case %s, file %s: %v", c.Name, name, err))
	}
	return text
}

// PartFile returns the name of the file beside blob that holds an optional
// part: "delta_images-1-2" for blob "delta-1-2" and part "images".
func PartFile(blob, part string) string {
	kind, versions, _ := strings.Cut(blob, "-")
	return kind + "_" + part + "-" + versions
}

// Extract writes the files into a new temporary folder, as a Java producer
// would have left them, and returns the folder.
func (c Case) Extract(t testing.TB) string {
	t.Helper()
	root := t.TempDir()
	for name, b := range c.Files {
		file := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatalf("extract %s: %v", c.Name, err)
		}
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatalf("extract %s: %v", c.Name, err)
		}
	}
	return root
}

func open(t testing.TB, file string) Case {
	t.Helper()
	name := strings.TrimSuffix(filepath.Base(file), suffix)
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("open golden case %s: %v", name, err)
	}
	files, err := untar(b)
	if err != nil {
		t.Fatalf("open golden case %s: %v", name, err)
	}
	c := Case{Name: name, Files: files}
	if err := json.Unmarshal(c.File("index.json"), &c.Index); err != nil {
		t.Fatalf("read index of golden case %s: %v", name, err)
	}
	return c
}

// dir finds the vectors from the test's working folder, its package's, by
// walking up to the module.
func dir(t testing.TB) string {
	t.Helper()
	at, err := os.Getwd()
	if err != nil {
		t.Fatalf("find golden vectors: %v", err)
	}
	for {
		found := filepath.Join(at, "pkg", "state", "testdata", "golden")
		if _, err := os.Stat(found); err == nil {
			return found
		}
		if filepath.Dir(at) == at {
			t.Fatal("find golden vectors: the test does not run inside the module")
		}
		at = filepath.Dir(at)
	}
}

func untar(b []byte) (map[string][]byte, error) {
	b, err := gunzip(b)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for r := tar.NewReader(bytes.NewReader(b)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return files, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read archive: %w", err)
		}
		if h.Typeflag != tar.TypeReg {
			continue
		}
		if files[h.Name], err = io.ReadAll(r); err != nil {
			return nil, fmt.Errorf("read %s: %w", h.Name, err)
		}
	}
}

func gunzip(b []byte) ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("uncompress: %w", err)
	}
	b, err = io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("uncompress: %w", err)
	}
	return b, nil
}
