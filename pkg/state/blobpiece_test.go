package state

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

var errPiece = errors.New("no piece")

// TestPieces writes pieces of all sizes, of which some fail, to a writer that does
// so, too, after some bytes.
func TestPieces(t *testing.T) {
	for n := range 12 {
		var pieces []blobPiece
		var want []byte
		for i := range n {
			size := []int{0, 10, blobChunk + 1}[i%3]
			piece := bytes.Repeat([]byte{byte(i)}, size)
			want = append(want, piece...)
			pieces = append(pieces, func(w *blobWriter) error {
				w.buf = append(w.buf, piece...)
				w.spill()
				return w.err
			})
		}
		var out bytes.Buffer
		w := blobWriter{w: &out}
		if err := errors.Join(w.writePieces(pieces), w.flush()); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(out.Bytes(), want) {
			t.Errorf("%d pieces: %d bytes are other than the %d of the pieces", n, out.Len(), len(want))
		}
		for bad := range n {
			failing := append([]blobPiece{}, pieces...)
			failing[bad] = func(*blobWriter) error { return fmt.Errorf("piece %d: %w", bad, errPiece) }
			w := blobWriter{w: &out}
			if err := w.writePieces(failing); !errors.Is(err, errPiece) {
				t.Errorf("%d pieces, the %dth fails: %v", n, bad, err)
			}
		}
	}
	for room := range 3 {
		w := blobWriter{w: &narrow{room}}
		large := func(w *blobWriter) error { w.buf = make([]byte, blobChunk); return nil }
		if err := w.writePieces([]blobPiece{large, large, large, large}); !errors.Is(err, errNarrow) {
			t.Errorf("a writer with room for %d: %v", room, err)
		}
	}
}

var errNarrow = errors.New("no room")

// narrow is a writer that fails after some writes.
type narrow struct{ left int }

func (n *narrow) Write(b []byte) (int, error) {
	if n.left--; n.left < 0 {
		return 0, errNarrow
	}
	return len(b), nil
}
