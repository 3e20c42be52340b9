package producer

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/internal/fuzzing"
)

// blanks is a source of blanks without end that counts what was taken of it.
type blanks struct {
	pattern string
	n       int
}

func (b *blanks) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = b.pattern[b.n%len(b.pattern)]
		b.n++
	}
	return len(p), nil
}

// TestBlankSource holds that a source of blanks only is refused after little
// of it: a few kilobytes of gzip open to a gigabyte of them.
func TestBlankSource(t *testing.T) {
	const most = maxBlank + 4*readSize
	for _, pattern := range []string{"\n", "\r\n", " ", " \t\r\n"} {
		endless := &blanks{pattern: pattern}
		lines, err := newLineReader(io.LimitReader(endless, 8*maxBlank), DefaultMaxLine)
		if err != nil {
			t.Fatal(err)
		}
		if line, err := lines.next(); !errors.Is(err, ErrBlank) || !strings.Contains(err.Error(), "1048576 bytes") {
			t.Errorf("%q: line %.20q, error %v, want ErrBlank with the limit", pattern, line, err)
		}
		if endless.n > most {
			t.Errorf("%q: %d bytes were read, want at most %d", pattern, endless.n, most)
		}
	}
}

// TestBlankBetween holds that lines earn the blanks around them, and that lines
// are counted through blanks that are larger than the buffer.
func TestBlankBetween(t *testing.T) {
	line := `{"id":"` + strings.Repeat("x", readSize) + `"}`
	gap := strings.Repeat("\n", readSize) + strings.Repeat(" ", readSize/2)
	lines, err := newLineReader(strings.NewReader(strings.Repeat(line+gap, 100)), DefaultMaxLine)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 100 {
		// Half a buffer of each gap is earned by no line.
		got, err := lines.next()
		if errors.Is(err, ErrBlank) && i > 30 {
			return
		}
		if want := 1 + i*readSize; err != nil || string(got) != line || lines.line != want {
			t.Fatalf("line %d with %d bytes, error %v, want line %d", lines.line, len(got), err, want)
		}
	}
	t.Error("100 gaps larger than their lines are not refused")
}

// FuzzLines reads any text, plain or gzip: it is refused for a known cause, or
// its lines are those of the naive reading. Space is in proportion to the text.
func FuzzLines(f *testing.F) {
	const maxLine = 1000
	for _, text := range []string{
		good, "\n\n" + good + "  \n\n", "\xef\xbb\xbf" + good, strings.ReplaceAll(good, "\n", "\r\n"),
		strings.Repeat("x", maxLine+1), zip(good[:20], good[20:]), zip(strings.Repeat("\n", 5000)), "\x1f\x8b\x08\x08",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got []string
		var err error
		// Deflate makes at most 1032 bytes of one, and lines are kept here.
		fuzzing.Limit{Fixed: 1 << 20, PerByte: 3 * 1032}.Check(t, "source", len(text), func() { got, err = allLines(text, maxLine) })
		switch {
		case err == nil:
			if want := naiveLines(t, text); !slices.Equal(got, want) {
				t.Errorf("lines %q, want %q", got, want)
			}
		case !errors.Is(err, ErrTruncated) && !errors.Is(err, ErrFormat) && !errors.Is(err, ErrLineTooLong) && !errors.Is(err, ErrBlank):
			t.Errorf("error %v has no known cause", err)
		}
	})
}

func allLines(text []byte, maxLine int) ([]string, error) {
	lines, err := newLineReader(bytes.NewReader(text), maxLine)
	if err != nil {
		return nil, err
	}
	var all []string
	for {
		line, err := lines.next()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, string(line))
	}
}

// naiveLines is what allLines reads, with the whole text in memory.
func naiveLines(t *testing.T, text []byte) []string {
	if bytes.HasPrefix(text, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		if text, err = io.ReadAll(z); err != nil {
			t.Fatal(err)
		}
	}
	var all []string
	for line := range bytes.Lines(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))) {
		if line = bytes.Trim(line, " \t\r\n"); len(line) > 0 {
			all = append(all, string(line))
		}
	}
	return all
}
