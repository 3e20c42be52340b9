package producer

import (
	"context"
	"io"
)

// open opens the file, unless ctx ends before: a pipe that nobody writes to
// opens never.
func (f File) open(ctx context.Context) (io.ReadCloser, error) {
	type opened struct {
		in  io.ReadCloser
		err error
	}
	result := make(chan opened, 1)
	go func() {
		in, err := f.Open()
		result <- opened{in, err}
	}()
	select {
	case r := <-result:
		if r.err != nil {
			return nil, r.err
		}
		return newInterruptible(ctx, r.in), nil
	case <-ctx.Done():
		go func() { // nobody waits for it any more
			if r := <-result; r.err == nil {
				_ = r.in.Close() // nothing was read
			}
		}()
		return nil, ctx.Err()
	}
}

// interruptible reads from in until ctx ends, also if in has nothing to read
// then: standard input cannot be woken by closing it. It owns in.
type interruptible struct {
	ctx   context.Context
	asked chan struct{} // a question each; closed by Close
	read  chan block    // the answers
	left  []byte        // of the last block
	err   error         // behind left
}

type block struct {
	data []byte
	err  error
}

func newInterruptible(ctx context.Context, in io.ReadCloser) *interruptible {
	r := &interruptible{ctx: ctx, asked: make(chan struct{}, 1), read: make(chan block, 1)}
	go func() {
		buf := make([]byte, readSize)
		for range r.asked {
			n, err := in.Read(buf)
			r.read <- block{buf[:n], err}
		}
		_ = in.Close() // it was read only
	}()
	return r
}

// Read reads, or fails with the context's error.
func (r *interruptible) Read(b []byte) (int, error) {
	for len(r.left) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		r.asked <- struct{}{}
		select {
		case got := <-r.read:
			r.left, r.err = got.data, got.err
		case <-r.ctx.Done():
			r.err = r.ctx.Err()
		}
	}
	n := copy(b, r.left)
	r.left = r.left[n:]
	return n, nil
}

// Close lets go of the source, at once or when a read under way returns.
func (r *interruptible) Close() error {
	close(r.asked)
	return nil
}
