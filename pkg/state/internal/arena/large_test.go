package arena

import (
	"encoding/binary"
	"sync"
	"testing"
)

// TestLarge fills large arenas at the same time: their segments lie in huge pages
// that they share with each other, and with what else is on the heap.
func TestLarge(t *testing.T) {
	const size, blocks = 60_000, 400
	var wait sync.WaitGroup
	for k := range 3 {
		wait.Go(func() {
			w := new(Arena).Edit()
			w.Expect(size * blocks)
			var handles []Handle
			beside := make([][]byte, blocks)
			for i := range blocks {
				h, b := w.Reserve(New, size)
				for at := 0; at < size; at += 8 {
					binary.LittleEndian.PutUint64(b[at:], uint64(k<<40|i<<20|at))
				}
				handles, beside[i] = append(handles, h), []byte{byte(i)}
			}
			a, err := w.CloseTrimmed()
			if err != nil {
				t.Error(err)
				return
			}
			for i, h := range handles {
				b := a.Block(h)
				for at := 0; at < size; at += 8 {
					if got := binary.LittleEndian.Uint64(b[at:]); got != uint64(k<<40|i<<20|at) {
						t.Errorf("arena %d, block %d: the word at %d is %#x", k, i, at, got)
						return
					}
				}
				if beside[i][0] != byte(i) {
					t.Errorf("what lies beside block %d has changed", i)
				}
			}
		})
	}
	wait.Wait()
}
