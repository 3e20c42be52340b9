package state

import "runtime"

// A blobPiece makes the bytes of a part of a blob. Several may be made at the same
// time.
type blobPiece func(*blobWriter) error

// madePiece is the bytes of a piece, or why there are none.
type madePiece struct {
	bytes []byte
	err   error
}

// mostPieces is how many pieces are held at once: each may be a shard of 16 MiB,
// or of any size.
const mostPieces = 8

// writePieces writes pieces in their order, and makes them on all processors, or
// nearly all.
func (w *blobWriter) writePieces(pieces []blobPiece) error {
	most := min(runtime.GOMAXPROCS(0)+1, mostPieces)
	made := make([]chan madePiece, len(pieces))
	begun := 0
	begin := func() {
		if begun == len(pieces) {
			return
		}
		piece, to := pieces[begun], make(chan madePiece, 1)
		made[begun] = to
		begun++
		go func() {
			var own blobWriter
			err := piece(&own)
			to <- madePiece{own.buf, err}
		}()
	}
	for range most {
		begin()
	}
	for i := 0; i < begun; i++ {
		p := <-made[i]
		if w.err == nil {
			w.err = p.err
		}
		if w.err == nil {
			w.append(p.bytes)
		}
		if w.err == nil {
			begin()
		}
	}
	return w.err
}
