package blob

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"syscall"
)

// MaxFile is the greatest size of a manifest, a schema or a log entry, in
// bytes. They are a few KB; what is larger is none of ours, and is not read.
const MaxFile = 16 << 20

var (
	// ErrTooLarge says that a file is larger than any of its kind may be.
	ErrTooLarge = errors.New("file is too large to be one of ours")
	// ErrNotRegular says that something lies under a key that is no file: a
	// pipe, a device, a link that leads nowhere, or, for a Put, a folder.
	ErrNotRegular = errors.New("not a regular file")
)

// MaxSize returns the greatest size of the file of a key. Only blobs have
// none: of them, whoever refers to one knows the size.
func MaxSize(key string) int64 {
	_, rest, _ := strings.Cut(key, "/")
	switch folder, _, _ := strings.Cut(rest, "/"); folder {
	case "log", "versions", "schemas":
		return MaxFile
	}
	return math.MaxInt64
}

// CheckSize returns ErrTooLarge if size is more than a file of key may have.
func CheckSize(key string, size, most int64) error {
	if size > most {
		return fmt.Errorf("%w: %d bytes, of at most %d", ErrTooLarge, size, most)
	}
	return nil
}

// OpenFile opens a regular file to read it, and returns its size in bytes. It
// never waits for somebody to write into a pipe: what is not a regular file is
// ErrNotRegular, a folder an error as of reading it. Whatever is opened by name,
// and is not meant to be a stream, is opened so. The caller closes.
func OpenFile(path string) (f *os.File, size int64, err error) {
	if f, err = os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0); err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = &os.PathError{Op: "read", Path: path, Err: syscall.EISDIR}
	case !info.Mode().IsRegular():
		err = fmt.Errorf("%s: %w", path, ErrNotRegular)
	default:
		return f, info.Size(), nil
	}
	_ = f.Close() // nothing was read
	return nil, 0, err
}

// ReadFile returns the content of a regular file of at most most bytes, opened
// as OpenFile does. What is larger, or does not fit into the machine's memory,
// is ErrTooLarge.
func ReadFile(path string, most int64) ([]byte, error) {
	f, size, err := OpenFile(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	most = min(most, machineMemory())
	if err := CheckSize(path, size, most); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return readAll(f, size, most)
}

// readAll reads what is about size bytes, and at most most; it may have grown.
func readAll(r io.Reader, size, most int64) ([]byte, error) {
	b := make([]byte, 0, size+1)
	for {
		n, err := r.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
		if sizeErr := CheckSize("", int64(len(b)), most); sizeErr != nil {
			return nil, sizeErr
		}
		if err != nil {
			return b, nil
		}
		if len(b) == cap(b) {
			b = append(b, 0)[:len(b)]
		}
	}
}
