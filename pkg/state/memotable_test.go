package state

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// TestMemoTable keeps more than a table was made for, from several goroutines. It
// never says of an ordinal what was not kept of it, and finds nearly all that there
// was room for.
func TestMemoTable(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	const room = 2000
	for _, kept := range []int{0, 1, room, 4 * room} {
		table := newMemoTable(room)
		var list []Ordinal
		for range kept {
			list = append(list, Ordinal(r.IntN(MaxOrdinal+1)))
		}
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() {
				for _, o := range list {
					table.ask(o)
					table.keep(o, digestOf(o), uint8(o))
					checkMemo(t, table, o)
				}
			})
		}
		all.Wait()
		found := 0
		for _, o := range list {
			if checkMemo(t, table, o) {
				found++
			}
			checkMemo(t, table, Ordinal(r.IntN(MaxOrdinal+1)))
		}
		if found < min(kept, room)*99/100 {
			t.Errorf("%d of %d are known, with room for %d", found, kept, room)
		}
		for _, o := range list {
			table.forget(o)
			if table.known(o) || checkMemo(t, table, o) {
				t.Fatalf("%d is known after it was forgotten", o)
			}
			table.keep(o, digestOf(o), uint8(o)) // its slot is there still
			table.forget(o)
		}
	}
}

// TestMemoTableForgets gives an ordinal another content.
func TestMemoTableForgets(t *testing.T) {
	table := newMemoTable(10)
	table.keep(7, digestOf(7), 1)
	table.keep(7, digestOf(8), 2) // the first one stays
	if sum, height, ok := table.find(7); !ok || sum != digestOf(7) || height != 1 {
		t.Fatalf("7 is %v, %d, %v", sum, height, ok)
	}
	table.forget(7)
	table.keep(7, digestOf(9), 3)
	if sum, height, ok := table.find(7); !ok || sum != digestOf(9) || height != 3 {
		t.Fatalf("7 is %v, %d, %v", sum, height, ok)
	}
}

func digestOf(o Ordinal) dataset.Digest {
	return dataset.DigestOf(binary.LittleEndian.AppendUint32(nil, uint32(o)))
}

// checkMemo says whether o is known, and fails if something else is known of it.
func checkMemo(t *testing.T, table memoTable, o Ordinal) bool {
	sum, height, ok := table.find(o)
	if ok && (sum != digestOf(o) || height != uint8(o)) {
		t.Errorf("of %d something else is known", o)
	}
	return ok
}
