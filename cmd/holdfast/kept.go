package main

import (
	"io"
	"sync"

	"github.com/holdfast-data/holdfast/producer"
)

// kept is a source that can be opened once only, and is kept in memory as far
// as it was read, for who opens it again.
type kept struct {
	open func() (io.ReadCloser, error)

	mu   sync.Mutex
	in   io.ReadCloser
	read []byte
	err  error // the end, if it has been reached
}

// newKept returns a source of that name.
func newKept(name string, open func() (io.ReadCloser, error)) producer.File {
	k := &kept{open: open}
	return producer.File{Name: name, Open: k.reader}
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
	k.read = append(k.read, p[:n]...)
	if err != nil {
		k.err = err
		k.in.Close() // all that it had was read
	}
	return n, nil
}

// keptReader reads a kept source from its start.
type keptReader struct {
	from *kept
	at   int
}

func (r *keptReader) Read(p []byte) (n int, err error) {
	r.from.mu.Lock()
	defer r.from.mu.Unlock()
	if r.at < len(r.from.read) {
		n = copy(p, r.from.read[r.at:])
	} else {
		n, err = r.from.more(p)
	}
	r.at += n
	return n, err
}
