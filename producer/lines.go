package producer

import (
	"bufio"
	"bytes"
	"compress/flate"
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
	// ErrFormat says that a source is no text of JSON lines, but something else
	// that is known.
	ErrFormat = errors.New("source is not JSON lines")
	// ErrLineTooLong says that a line exceeds the limit.
	ErrLineTooLong = errors.New("line is too long")
	// ErrBlank says that a source has more blanks than its records explain.
	ErrBlank = errors.New("source is mostly blank")
)

// lineReader reads the lines of a text that may be gzip-compressed, of one
// member or several. Blank lines, a byte-order mark at the start, CRLF and a
// missing last line end are passed over.
type lineReader struct {
	r    *bufio.Reader
	max  int
	line int // the number of the line that was read last, from 1
	buf  []byte

	blank int64 // bytes of blanks that were passed over
	solid int64 // bytes of the lines that were not blank
}

const readSize = 64 << 10

// maxBlank is how many bytes of blanks a source may have beyond what its lines
// have: gzip makes a gigabyte of blanks of a megabyte.
const maxBlank = 1 << 20

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
	if err := known(b); err != nil {
		return nil, err
	}
	mark := []byte("\xef\xbb\xbf")
	if start, _ := b.Peek(len(mark)); bytes.Equal(start, mark) {
		b.Discard(len(mark)) // was peeked
	}
	return &lineReader{r: b, max: maxLine}, nil
}

// formats are what sources are given in by mistake, by what they begin with,
// and what to do about it.
var formats = []struct{ magic, what, instead string }{
	{"\xff\xfe\x00\x00", "UTF-32 text", "convert it with iconv -f UTF-32 -t UTF-8"},
	{"\x00\x00\xfe\xff", "UTF-32 text", "convert it with iconv -f UTF-32 -t UTF-8"},
	{"\xff\xfe", "UTF-16 text", "convert it with iconv -f UTF-16 -t UTF-8"},
	{"\xfe\xff", "UTF-16 text", "convert it with iconv -f UTF-16 -t UTF-8"},
	{"{\x00", "UTF-16 text", "convert it with iconv -f UTF-16LE -t UTF-8"},
	{"\x00{", "UTF-16 text", "convert it with iconv -f UTF-16BE -t UTF-8"},
	{"PK\x03\x04", "a zip archive", "unpack it with unzip -p"},
	{"\x28\xb5\x2f\xfd", "compressed by zstd", "unpack it with zstd -dc"},
	{"\xfd7zXZ\x00", "compressed by xz", "unpack it with xz -dc"},
	{"BZh", "compressed by bzip2", "unpack it with bzip2 -dc"},
	{"\x04\x22\x4d\x18", "compressed by lz4", "unpack it with lz4 -dc"},
	{"\x1f\x8b", "compressed by gzip twice", "unpack it once with gzip -dc"},
	{"PAR1", "a Parquet file", "export it as JSON lines"},
	{"SQLite format 3\x00", "an SQLite database", "export it as JSON lines"},
}

// A tar archive says what it is within its first block.
const tarMagic, tarMagicAt = "ustar", 257

// known refuses a text that begins as something else does.
func known(b *bufio.Reader) error {
	start, err := b.Peek(tarMagicAt + len(tarMagic))
	if err != nil && !errors.Is(err, io.EOF) {
		return truncated(err)
	}
	for _, f := range formats {
		if bytes.HasPrefix(start, []byte(f.magic)) {
			return fmt.Errorf("%w: it is %s: %s", ErrFormat, f.what, f.instead)
		}
	}
	if len(start) > tarMagicAt && bytes.HasPrefix(start[tarMagicAt:], []byte(tarMagic)) && start[0] != '{' {
		return fmt.Errorf("%w: it is a tar archive: unpack it with tar -xO", ErrFormat)
	}
	return nil
}

// truncated gives an unexpected end, and other damage, its name.
func truncated(err error) error {
	var corrupt flate.CorruptInputError
	if errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) || errors.As(err, &corrupt) {
		return fmt.Errorf("%w or damaged: gzip: %w", ErrTruncated, err)
	}
	return err
}

// next returns the next line that is not blank, valid until the next call, and
// io.EOF after the last.
func (l *lineReader) next() ([]byte, error) {
	l.line++
	if err := l.skipBlanks(); err != nil {
		return nil, truncated(err)
	}
	b, err := l.read()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, truncated(err)
	}
	l.solid += int64(len(b))
	return bytes.Trim(b, white), nil
}

const white = " \t\r\n"

// skipBlanks moves to what is next not blank, through the buffer as it is: no
// line is made of blanks. It fails with io.EOF at the end.
func (l *lineReader) skipBlanks() error {
	for {
		if _, err := l.r.Peek(1); err != nil {
			return err
		}
		b, _ := l.r.Peek(l.r.Buffered()) // is there
		n := len(b) - len(bytes.TrimLeft(b, white))
		l.line += bytes.Count(b[:n], []byte{'\n'})
		l.r.Discard(n)
		l.blank += int64(n)
		if l.blank > maxBlank+l.solid {
			return fmt.Errorf("%w: it has over %d bytes of blanks beyond the %d bytes of the lines before; remove blank lines (grep '[^[:space:]]' does that)", ErrBlank, maxBlank, l.solid)
		}
		if n < len(b) {
			return nil
		}
	}
}

func (l *lineReader) read() ([]byte, error) {
	l.buf = l.buf[:0]
	for {
		piece, err := l.r.ReadSlice('\n')
		if len(l.buf)+len(piece)-len("\r\n") > l.max { // max may be the greatest int
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
	return fmt.Errorf("%w: more than %d bytes (--max-line)", ErrLineTooLong, l.max)
}
