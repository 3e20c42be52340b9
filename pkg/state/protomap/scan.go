package protomap

import (
	"bytes"
	"fmt"
	"unicode/utf8"
)

// scanner reads the text of a .proto file as words and signs, as far as it
// takes to say whether the file is within the limits. It passes over comments
// and strings, and takes any text.
type scanner struct {
	text      []byte
	at        int
	line      int // from 1
	lineStart int

	scopes []scope // what is open
	name   int     // bytes of the names of all of them

	steps, path int  // of the name that was read last: its words and its bytes
	word        bool // the last token was a word
	dot         bool // or a dot
}

// scope is a bracket that is open, and the bytes of the word before it.
type scope struct {
	closer byte
	name   int
}

// measureSource returns a *SchemaError if the text of a .proto file is no text,
// nests too deeply, or has names or lines that are too long.
func measureSource(file string, text []byte) error {
	if !utf8.Valid(text) {
		return &SchemaError{File: file, Line: illFormedLine(text), Err: fmt.Errorf("it is not UTF-8 text: %w", ErrUnsupported)}
	}
	s := scanner{text: text, line: 1}
	for s.skip(); s.at < len(s.text); s.skip() {
		if err := s.token(); err != nil {
			return &SchemaError{File: file, Line: s.line, Err: err}
		}
	}
	return nil
}

// illFormedLine returns the first line that is not UTF-8.
func illFormedLine(text []byte) int {
	line := 1
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && n == 1:
			return line
		case r == '\n':
			line++
		}
		text = text[n:]
	}
	return line
}

// skip passes over blanks and comments.
func (s *scanner) skip() {
	for s.at < len(s.text) {
		rest := s.text[s.at:]
		switch {
		case rest[0] == '\n':
			s.at++
			s.newLine()
		case rest[0] <= ' ':
			s.at++
		case bytes.HasPrefix(rest, []byte("//")):
			s.at += lengthTo(rest, "\n", 0)
		case bytes.HasPrefix(rest, []byte("/*")):
			s.comment(rest[:lengthTo(rest[2:], "*/", 2)+2])
		default:
			return
		}
	}
}

// lengthTo returns where end begins, with that many bytes more; all if it is
// not there.
func lengthTo(b []byte, end string, more int) int {
	if i := bytes.Index(b, []byte(end)); i >= 0 {
		return i + more
	}
	return len(b)
}

func (s *scanner) newLine() {
	s.line++
	s.lineStart = s.at
}

func (s *scanner) comment(text []byte) {
	s.line += bytes.Count(text, []byte{'\n'})
	if i := bytes.LastIndexByte(text, '\n'); i >= 0 {
		s.lineStart = s.at + i + 1
	}
	s.at += len(text)
}

func (s *scanner) token() error {
	if s.at-s.lineStart > maxColumn {
		return tooComplex("the line has more than %d bytes: break it", maxColumn)
	}
	c := s.text[s.at]
	switch {
	case isWord(c):
		return s.readWord()
	case c == '"' || c == '\'':
		s.readString(c)
	default:
		s.at++
		return s.sign(c)
	}
	s.word, s.dot = false, false
	return nil
}

// isWord says whether c is of a name or a number.
func isWord(c byte) bool {
	return c == '_' || '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'z' || c >= 0x80
}

func (s *scanner) readWord() error {
	start := s.at
	for s.at < len(s.text) && isWord(s.text[s.at]) {
		s.at++
	}
	if !s.dot {
		s.steps, s.path = 0, 0
	}
	s.steps++
	s.path += s.at - start
	s.word, s.dot = true, false
	if s.steps > maxSteps {
		return tooComplex("a name has more than %d parts", maxSteps)
	}
	return s.fits(s.path)
}

// fits refuses a name of that many bytes where it stands.
func (s *scanner) fits(name int) error {
	if s.name+name > maxName {
		return tooComplex("a full name has more than %d bytes", maxName)
	}
	return nil
}

// readString passes over a string, which ends with its line at the latest.
func (s *scanner) readString(quote byte) {
	for s.at++; s.at < len(s.text) && s.text[s.at] != '\n'; s.at++ {
		switch s.text[s.at] {
		case '\\':
			if s.at+1 < len(s.text) && s.text[s.at+1] != '\n' {
				s.at++
			}
		case quote:
			s.at++
			return
		}
	}
}

var closers = map[byte]byte{'{': '}', '[': ']', '(': ')', '<': '>'}

func (s *scanner) sign(c byte) error {
	name := 0
	if s.word {
		name = s.path
	}
	s.word, s.dot = false, c == '.'
	if closer := closers[c]; closer != 0 {
		return s.open(scope{closer, name})
	}
	if n := len(s.scopes); n > 0 && s.scopes[n-1].closer == c {
		s.name -= s.scopes[n-1].name
		s.scopes = s.scopes[:n-1]
	}
	return nil
}

func (s *scanner) open(x scope) error {
	if len(s.scopes) == maxNesting {
		return tooComplex("it nests deeper than %d levels of braces, brackets and parentheses", maxNesting)
	}
	s.scopes = append(s.scopes, x)
	s.name += x.name
	return s.fits(0)
}
