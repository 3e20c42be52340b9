package neutral

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
)

// Magic says what the frames of a file are.
type Magic string

// The two kinds of files.
const (
	Base    Magic = "NB01" // a frame is a record
	Changes Magic = "NO01" // a frame is Upsert and a record, or Delete and an id
)

// The first byte of a frame of changes.
const (
	Upsert byte = iota
	Delete
)

const headerSize = 16

// ErrMalformed says that bytes are not of this format.
var ErrMalformed = errors.New("not a neutral file")

// File is a file in memory.
type File struct {
	Kind  byte // of the records
	Count int  // of frames
	body  []byte
}

// Open reads a file.
func Open(path string, want Magic) (*File, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("open data: %w", err)
	}
	if len(b) < headerSize || Magic(b[:4]) != want {
		return nil, fmt.Errorf("open data %s: %w", path, ErrMalformed)
	}
	return &File{Kind: b[4], Count: int(binary.LittleEndian.Uint64(b[8:])), body: b[headerSize:]}, nil
}

// Frames yields the bodies of the frames, which are views.
func (f *File) Frames() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		c := Cursor{f.body}
		for range f.Count {
			if !yield(c.Bytes()) {
				return
			}
		}
	}
}

// A Writer writes a file frame by frame. The first error is kept for Close.
type Writer struct {
	f     *os.File
	out   *bufio.Writer
	magic Magic
	kind  byte
	count uint64
}

// Create begins a file.
func Create(path string, magic Magic, kind byte) (*Writer, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("create data: %w", err)
	}
	w := &Writer{f: f, out: bufio.NewWriterSize(f, 1<<20), magic: magic, kind: kind}
	w.header()
	return w, nil
}

// header writes the header; what fails shows in Flush.
func (w *Writer) header() {
	var h [headerSize]byte
	copy(h[:], w.magic)
	h[4] = w.kind
	binary.LittleEndian.PutUint64(h[8:], w.count)
	_, _ = w.out.Write(h[:])
}

// Frame adds a frame.
func (w *Writer) Frame(body []byte) {
	var n [binary.MaxVarintLen64]byte
	_, _ = w.out.Write(binary.AppendUvarint(n[:0], uint64(len(body))))
	_, _ = w.out.Write(body)
	w.count++
}

// Close ends the file.
func (w *Writer) Close() error {
	err := w.out.Flush()
	_, seek := w.f.Seek(0, io.SeekStart)
	w.out.Reset(w.f)
	w.header()
	if err = errors.Join(err, seek, w.out.Flush(), w.f.Close()); err != nil {
		return fmt.Errorf("write data: %w", err)
	}
	return nil
}
