package producer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// DefaultMaxLine is the limit of a line's length in bytes.
const DefaultMaxLine = 16 << 20

// A Position is a place in a source.
type Position struct {
	File string
	Line int // from 1
}

// String returns file:line.
func (p Position) String() string { return fmt.Sprintf("%s:%d", p.File, p.Line) }

// A File is one text of JSON lines.
type File struct {
	// Name is what errors call it.
	Name string
	// Open opens it; the caller closes. It may block, as may reads: who waits
	// for it does so only until the context ends.
	Open func() (io.ReadCloser, error)
}

// Files returns the files of these paths.
func Files(paths ...string) []File {
	var out []File
	for _, path := range paths {
		out = append(out, File{Name: path, Open: func() (io.ReadCloser, error) { return os.Open(path) }})
	}
	return out
}

// eachLine reads the lines of all files and calls f for each, which must not keep
// it.
func eachLine(ctx context.Context, files []File, maxLine int, f func(at Position, line []byte) error) error {
	for _, file := range files {
		if err := eachLineOf(ctx, file, maxLine, f); err != nil {
			return err
		}
	}
	return nil
}

func eachLineOf(ctx context.Context, file File, maxLine int, f func(at Position, line []byte) error) error {
	in, err := file.open(ctx)
	if err != nil {
		return fmt.Errorf("open source: %w", err)
	}
	defer in.Close()
	lines, err := newLineReader(in, maxLine)
	if err != nil {
		return fmt.Errorf("read %s: %w", file.Name, err)
	}
	for n := 0; ; n++ {
		line, err := lines.next()
		at := Position{file.Name, lines.line}
		if errors.Is(err, io.EOF) {
			if n == 0 {
				return fmt.Errorf("read %s: %w", file.Name, ErrEmpty)
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", at, err)
		}
		if n%1024 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if err := f(at, line); err != nil {
			return err
		}
	}
}

// severalValues says whether something stands behind a first JSON object.
func severalValues(line []byte) bool {
	d := json.NewDecoder(bytes.NewReader(line))
	var first json.RawMessage
	return line[0] == '{' && d.Decode(&first) == nil && len(bytes.TrimSpace(line[d.InputOffset():])) > 0
}

// hint says what a line that is no record looks like, and what to do.
func hint(line []byte) string {
	switch {
	case severalValues(line):
		return "; the line has more than one JSON value: write one object a line (jq -c . does that)"
	case line[0] == '[':
		return "; this is a JSON array: write one object a line (jq -c '.[]' does that)"
	case line[0] == '{' && line[len(line)-1] != '}':
		return "; a record has to stand on one line (jq -c . does that), and this line is cut or goes on"
	case line[0] != '{':
		return "; this is no JSON object: a source is JSON lines, one object a line"
	}
	return ""
}
