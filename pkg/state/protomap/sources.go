package protomap

import (
	"bytes"
	"io"
	"os"
	"path/filepath"

	"github.com/bufbuild/protocompile/ast"
	"github.com/bufbuild/protocompile/parser"
	"github.com/bufbuild/protocompile/reporter"
)

// sources are the files of one declaration, all read before any is compiled.
type sources struct {
	folder string
	open   func(path string) ([]byte, error) // nil reads files
	files  map[string]sourceFile             // by the path that imports have
	left   int                               // bytes that further files may have
	ways   ways
}

type sourceFile struct {
	text []byte
	err  error // why it cannot be read; the compiler has it for some
}

// readSources reads a file and all that it imports. What is beyond the limits
// is refused with a *SchemaError; what is missing is not.
func readSources(filename string, open func(path string) ([]byte, error)) (*sources, error) {
	s := &sources{folder: filepath.Dir(filename), open: open, files: map[string]sourceFile{}, left: MaxSource, ways: ways{}}
	if open == nil {
		s.open = s.readFile
	}
	return s, s.load(filepath.Base(filename), true)
}

// text returns a file that was read.
func (s *sources) text(path string) ([]byte, error) {
	if f, ok := s.files[path]; ok {
		return f.text, f.err
	}
	return nil, os.ErrNotExist
}

// load reads a file, and what it imports, unless that has been done.
func (s *sources) load(path string, root bool) error {
	if _, ok := s.files[path]; ok {
		return nil
	}
	text, err := s.open(filepath.Join(s.folder, path))
	if err != nil && !root {
		if other, otherErr := s.open(path); otherErr == nil {
			text, err = other, nil
		}
	}
	s.files[path] = sourceFile{text, err}
	if err != nil {
		return nil
	}
	if err := s.measure(path, text); err != nil {
		return err
	}
	list := importsOf(path, text)
	for _, i := range list {
		if err := s.load(i.path, false); err != nil {
			return err
		}
	}
	return s.ways.add(path, list)
}

func (s *sources) measure(path string, text []byte) error {
	s.left -= len(text)
	switch {
	case s.left < 0:
		return &SchemaError{File: path, Err: tooComplex("with what it imports, the declaration has more than %d bytes", MaxSource)}
	case len(s.files) > MaxFiles:
		return &SchemaError{File: path, Err: tooComplex("it is one of more than %d files of the declaration", MaxFiles)}
	}
	return measureSource(path, text)
}

// readFile reads a file as far as it takes to see that it is too large.
func (s *sources) readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, int64(s.left)+1))
}

type importOf struct {
	path   string
	public bool
}

// importsOf returns the imports of a text, as far as it can be read: the
// compiler says what is wrong with the rest.
func importsOf(path string, text []byte) (list []importOf) {
	// The parser panics on some errors; the compiler's own use of it reports
	// that as an error.
	defer func() { _ = recover() }()
	ignore := reporter.NewHandler(reporter.NewReporter(func(reporter.ErrorWithPos) error { return nil }, nil))
	file, _ := parser.Parse(path, bytes.NewReader(text), ignore) // errors are the compiler's to say
	if file == nil {
		return nil
	}
	for _, d := range file.Decls {
		if i, ok := d.(*ast.ImportNode); ok && i.Name != nil {
			list = append(list, importOf{i.Name.AsString(), i.Public != nil})
		}
	}
	return list
}

// ways counts, by file, the ways on which others are reached over its public
// imports.
type ways map[string]int

// add counts a file whose imports have been added. It refuses one in which
// each name would be looked for on too many ways: public imports that meet
// again double them.
func (w ways) add(path string, imports []importOf) error {
	public, all := 0, 0
	for _, i := range imports {
		n := 1 + w[i.path]
		if all += n; all > maxImportWays {
			return &SchemaError{File: path, Err: tooComplex("its imports, with the public imports of those, lead to files in more than %d ways", maxImportWays)}
		}
		if i.public {
			public += n
		}
	}
	w[path] = public
	return nil
}
