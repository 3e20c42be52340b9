package featuregate

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

//go:embed editions
var embedded embed.FS

// embeddedFolder is where the editions are in embedded.
const embeddedFolder = "editions"

var (
	// ErrNoEdition says that a folder has no editions in it.
	ErrNoEdition = errors.New("no edition found: an edition is a folder with features.jsonl.gz, browsers.jsonl.gz and usage.jsonl.gz (or .jsonl)")
	// ErrNotInEdition says that editions have no file of a dataset.
	ErrNotInEdition = errors.New("not a dataset of an edition")
)

// A MissingFileError is an edition that lacks a dataset's file.
type MissingFileError struct {
	Folder  string
	Dataset dataset.Name
}

func (e *MissingFileError) Error() string {
	return fmt.Sprintf("edition %s has no %s.jsonl.gz or %[2]s.jsonl", e.Folder, e.Dataset)
}

// An Edition is one published state of the input datasets: a folder with a
// file of JSON lines for each. It is safe for concurrent use.
type Edition struct {
	// Name is the folder's name. Editions follow each other in its byte order.
	Name string

	files fs.FS
	names map[dataset.Name]string // in files
	root  string                  // what files is, for messages
}

// Editions returns the embedded editions in byte order of their names.
func Editions() []Edition {
	files, err := fs.Sub(embedded, embeddedFolder)
	if err != nil {
		panic(err) // the folder's name is a constant
	}
	editions, err := editionsIn(files, embeddedFolder)
	if err != nil {
		panic(err) // the folder is compiled in; tests open every edition
	}
	return editions
}

// EditionsIn returns the editions in a folder in byte order of their names: its
// sub-folders that have a file of an input dataset, as .jsonl.gz or else as
// .jsonl. All else in it is left alone. A sub-folder with some of the files
// only is a [*MissingFileError], a folder without editions [ErrNoEdition].
func EditionsIn(dir string) ([]Edition, error) {
	if _, err := os.Stat(dir); err != nil {
		return nil, fmt.Errorf("find editions: %w", err)
	}
	return editionsIn(os.DirFS(dir), dir)
}

func editionsIn(files fs.FS, root string) ([]Edition, error) {
	entries, err := fs.ReadDir(files, ".") // in byte order
	if err != nil {
		return nil, fmt.Errorf("find editions in %s: %w", root, err)
	}
	var editions []Edition
	for _, entry := range entries {
		// A link to a folder counts, so the entry's own type does not tell.
		if info, err := fs.Stat(files, entry.Name()); err != nil || !info.IsDir() {
			continue
		}
		e := Edition{Name: entry.Name(), files: files, root: root, names: map[dataset.Name]string{}}
		for _, n := range InputDatasets() {
			if file := findFile(files, e.Name, n); file != "" {
				e.names[n] = file
			}
		}
		if len(e.names) == 0 {
			continue
		}
		for _, n := range InputDatasets() {
			if e.names[n] == "" {
				return nil, fmt.Errorf("find editions: %w", &MissingFileError{filepath.Join(root, e.Name), n})
			}
		}
		editions = append(editions, e)
	}
	if len(editions) == 0 {
		return nil, fmt.Errorf("find editions in %s: %w", root, ErrNoEdition)
	}
	return editions, nil
}

// findFile returns the path of a dataset's file, or nothing.
func findFile(files fs.FS, folder string, name dataset.Name) string {
	for _, suffix := range []string{".jsonl.gz", ".jsonl"} {
		file := path.Join(folder, string(name)+suffix)
		if info, err := fs.Stat(files, file); err == nil && info.Mode().IsRegular() {
			return file
		}
	}
	return ""
}

// Open returns an input dataset's file as it is stored, and its path for
// messages. The caller closes it.
func (e Edition) Open(name dataset.Name) (content io.ReadCloser, file string, err error) {
	p, ok := e.names[name]
	if !ok {
		return nil, "", fmt.Errorf("open %s of edition %s: %w", name, e.Name, ErrNotInEdition)
	}
	file = filepath.Join(e.root, filepath.FromSlash(p))
	f, err := e.files.Open(p)
	if err != nil {
		return nil, file, fmt.Errorf("open %s of edition %s: %w", name, e.Name, err)
	}
	return f, file, nil
}
