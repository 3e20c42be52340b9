package state

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// TestContentArena keeps contents of all lengths, those that are longer than a
// chunk included, through several resets.
func TestContentArena(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	var a contentArena
	for round := range 4 {
		var want [][]byte
		var places []uint32
		for i := range 3000 {
			n := r.IntN(2000)
			if i == 2999 || r.IntN(500) == 0 {
				n = 1<<20 + r.IntN(4<<20) // the last one's chunk is used again
			}
			content := bytes.Repeat([]byte{byte(r.Uint32())}, n)
			at, ok := a.add(Ordinal(i), content)
			if !ok || at > maxContentAt {
				t.Fatalf("round %d: content %d is at %d, %v", round, i, at, ok)
			}
			want, places = append(want, content), append(places, at)
		}
		for i, at := range places {
			if o, got := a.get(at); o != Ordinal(i) || !bytes.Equal(got, want[i]) {
				t.Fatalf("round %d: place %d has record %d with %d bytes, want %d with %d", round, at, o, len(got), i, len(want[i]))
			}
		}
		a.reset()
	}
}
