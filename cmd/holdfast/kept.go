package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/holdfast-data/holdfast/producer"
)

// keptInMemory is how much of a kept source is in memory, in bytes.
const keptInMemory = 8 << 20

// kept is a source that can be opened once only, and is kept as far as it was
// read, for who opens it again: its beginning in memory, the rest in a file.
type kept struct {
	name string
	open func() (io.ReadCloser, error)
	temp func() (*os.File, error) // makes the file
	most int                      // bytes in memory

	mu   sync.Mutex
	in   io.ReadCloser
	read []byte   // the beginning
	rest *os.File // what follows it; nil before there is any
	size int64    // of both
	err  error    // the end, if it has been reached
}

// newKept returns a source of that name.
func newKept(name string, open func() (io.ReadCloser, error)) producer.File {
	k := &kept{name: name, open: open, temp: namelessFile, most: keptInMemory}
	return producer.File{Name: name, Open: k.reader}
}

// namelessFile makes a temporary file that has no name any more: it is gone with
// the process, however that ends.
func namelessFile() (*os.File, error) {
	f, err := os.CreateTemp("", "holdfast-input-")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (k *kept) reader() (io.ReadCloser, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.in == nil && k.err == nil {
		in, err := k.open()
		if err != nil {
			return nil, err
		}
		k.in = in
	}
	return io.NopCloser(&keptReader{from: k}), nil
}

// more reads on from where all readers are, into p. The mutex is held.
func (k *kept) more(p []byte) (int, error) {
	if k.err != nil {
		return 0, k.err
	}
	n, err := k.in.Read(p)
	if keepErr := k.keep(p[:n]); keepErr != nil {
		n, err = 0, keepErr
	}
	if err != nil {
		k.err = err
		k.in.Close() // all that it had was read, or nothing of it can be kept
	}
	if n > 0 {
		err = nil // the next one hears of it
	}
	return n, err
}

// keep adds what was read.
func (k *kept) keep(p []byte) error {
	room := min(k.most-len(k.read), len(p))
	k.read = append(k.read, p[:room]...)
	k.size += int64(room)
	if p = p[room:]; len(p) == 0 {
		return nil
	}
	var err error
	if k.rest == nil {
		k.rest, err = k.temp()
	}
	if err == nil {
		_, err = k.rest.WriteAt(p, k.size-int64(len(k.read)))
	}
	if err != nil {
		return fmt.Errorf("keep %s in %s, because it can be read once only: %w: publish a file, or set TMPDIR to a folder with room for all of it", k.name, os.TempDir(), err)
	}
	k.size += int64(len(p))
	return nil
}

// readAt reads what is kept from at on, which is before the end of that. The mutex
// is held.
func (k *kept) readAt(p []byte, at int64) (int, error) {
	begin := int64(len(k.read))
	if at < begin {
		return copy(p, k.read[at:]), nil
	}
	return k.rest.ReadAt(p[:min(int64(len(p)), k.size-at)], at-begin)
}

// keptReader reads a kept source from its start.
type keptReader struct {
	from *kept
	at   int64
}

func (r *keptReader) Read(p []byte) (n int, err error) {
	r.from.mu.Lock()
	defer r.from.mu.Unlock()
	if r.at < r.from.size {
		n, err = r.from.readAt(p, r.at)
	} else {
		n, err = r.from.more(p)
	}
	r.at += int64(n)
	return n, err
}
