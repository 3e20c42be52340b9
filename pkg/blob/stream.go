package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
)

// Streamer is what a store may offer so that large bytes need not be in memory as
// a whole.
type Streamer interface {
	// Stream returns a reader of the content of key, and its size in bytes. The
	// caller closes it.
	Stream(ctx context.Context, key string) (io.ReadCloser, int64, error)
}

// Stream returns a reader of the bytes of key, which are those that want names if
// it ends with io.EOF. If they are not, it fails with ErrDigest, at the latest
// instead of io.EOF: until then nothing that came of them may be used. The caller
// closes it.
func Stream(ctx context.Context, store Store, key string, want Ref) (io.ReadCloser, error) {
	s, ok := store.(Streamer)
	if !ok {
		b, err := Get(ctx, store, key, want)
		if err != nil {
			return nil, err
		}
		return io.NopCloser(bytes.NewReader(b)), nil
	}
	r, size, err := s.Stream(ctx, key)
	if err != nil {
		return nil, err
	}
	if size != want.Size {
		return nil, errors.Join(fmt.Errorf("read %s: %w: %d bytes instead of %d", key, ErrDigest, size, want.Size), r.Close())
	}
	return &verified{ReadCloser: r, key: key, want: want, left: size, hash: sha256.New()}, nil
}

// verified reads the bytes that want names.
type verified struct {
	io.ReadCloser
	key  string
	want Ref
	left int64
	hash hash.Hash
	err  error
}

func (v *verified) Read(b []byte) (n int, err error) {
	if v.err != nil {
		return 0, v.err
	}
	if v.left == 0 {
		v.err = v.end()
		return 0, v.err
	}
	n, err = v.ReadCloser.Read(b[:min(int64(len(b)), v.left)])
	v.left -= int64(n)
	v.hash.Write(b[:n]) // never fails
	switch {
	case err == nil, errors.Is(err, io.EOF) && v.left == 0:
		return n, nil // the next call says how it ends
	case errors.Is(err, io.EOF):
		v.err = fmt.Errorf("read %s: the store sent %d of %d bytes: %w", v.key, v.want.Size-v.left, v.want.Size, io.ErrUnexpectedEOF)
	default:
		v.err = fmt.Errorf("read %s: %w", v.key, err)
	}
	return n, v.err
}

// end returns io.EOF if all bytes are right.
func (v *verified) end() error {
	var got Ref
	v.hash.Sum(got.Digest[:0])
	if got.Digest != v.want.Digest {
		return fmt.Errorf("read %s: %w: %d bytes with digest %s instead of %s", v.key, ErrDigest, v.want.Size, got.Digest, v.want.Digest)
	}
	return io.EOF
}

// Map is MapFile of the bytes of a reader that [Stream] returned, if they are a whole
// file. The reader is not moved: it must be read to its end, too, which says whether they
// are right. unmap, called after that, fails with ErrDigest if they may have been others
// meanwhile: if the file was written to.
func Map(r io.ReadCloser) (data []byte, unmap func() error, ok bool) {
	v, ok := r.(*verified)
	if !ok {
		return nil, nil, false
	}
	f, ok := v.ReadCloser.(*os.File)
	if !ok {
		return nil, nil, false
	}
	before, err := f.Stat()
	if err != nil {
		return nil, nil, false
	}
	data, end, ok := MapFile(f, v.want.Size)
	return data, func() error {
		end()
		after, err := f.Stat()
		if err == nil && (after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime())) {
			err = fmt.Errorf("read %s: %w: somebody wrote to its file meanwhile", v.key, ErrDigest)
		}
		return err
	}, ok
}

// End reads what a reader that [Stream] returned has left. It fails unless all of its
// bytes are right.
func End(r io.Reader) error {
	buffer := make([]byte, 256<<10)
	for {
		switch _, err := r.Read(buffer); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}
