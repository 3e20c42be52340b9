package producer

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
)

// What a text source is refused for.
var (
	// ErrEmpty says that a source has no records.
	ErrEmpty = errors.New("source has no records")
	// ErrTruncated says that a source ends in the middle.
	ErrTruncated = errors.New("source is cut short")
	// ErrLineTooLong says that a line exceeds the limit.
	ErrLineTooLong = errors.New("line is too long")
)

// lineReader reads the lines of a text that may be gzip-compressed, of one
// member or several. Blank lines, a byte-order mark at the start, CRLF and a
// missing last line end are passed over.
type lineReader struct {
	r    *bufio.Reader
	max  int
	line int // the number of the line that was read last, from 1
	buf  []byte
}

const readSize = 64 << 10

// newLineReader tells by content whether r is compressed.
func newLineReader(r io.Reader, maxLine int) (*lineReader, error) {
	b := bufio.NewReaderSize(r, readSize)
	magic, err := b.Peek(2)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if bytes.Equal(magic, []byte{0x1f, 0x8b}) {
		z, err := gzip.NewReader(b)
		if err != nil {
			return nil, truncated(err)
		}
		b = bufio.NewReaderSize(z, readSize)
	}
	mark := []byte("\xef\xbb\xbf")
	if start, _ := b.Peek(len(mark)); bytes.Equal(start, mark) {
		b.Discard(len(mark)) // was peeked
	}
	return &lineReader{r: b, max: maxLine}, nil
}

// truncated gives an unexpected end its name.
func truncated(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) {
		return fmt.Errorf("%w or damaged: gzip: %w", ErrTruncated, err)
	}
	return err
}

// next returns the next line that is not blank, valid until the next call, and
// io.EOF after the last.
func (l *lineReader) next() ([]byte, error) {
	for {
		l.line++
		b, err := l.read()
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, truncated(err)
		}
		if b = bytes.Trim(b, " \t\r\n"); len(b) > 0 {
			return b, nil
		}
		if err != nil {
			return nil, io.EOF
		}
	}
}

func (l *lineReader) read() ([]byte, error) {
	l.buf = l.buf[:0]
	for {
		piece, err := l.r.ReadSlice('\n')
		if len(l.buf)+len(piece) > l.max+len("\r\n") {
			return nil, l.tooLong()
		}
		l.buf = append(l.buf, piece...)
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if line := bytes.TrimRight(l.buf, "\r\n"); len(line) > l.max {
			return nil, l.tooLong()
		}
		return l.buf, err
	}
}

func (l *lineReader) tooLong() error {
	return fmt.Errorf("%w: more than %d bytes", ErrLineTooLong, l.max)
}
