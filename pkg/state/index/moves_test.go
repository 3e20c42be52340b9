package index

import (
	"math/rand/v2"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/internal/arena"
)

// TestMovesArePaidFor counts the groups that updates move out of emptying
// segments: a table moves no more than the arena allows for what was written.
func TestMovesArePaidFor(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	hash := func(o state.Ordinal) uint64 { return uint64(o+1) * 0x9e3779b97f4a7c15 }
	never := func(o, other state.Ordinal) bool { return false }
	var list []hashed
	for o := range state.Ordinal(60_000) {
		list = append(list, hashed{hash(o), o})
	}
	now, _, err := build(listed(list), never)
	if err != nil {
		t.Fatal(err)
	}
	next := state.Ordinal(60_000)
	written, moved := 0, 0
	for range 600 {
		var changes []tableChange
		touched := map[uint64]bool{}
		for range 20 {
			k := r.IntN(len(list))
			changes = append(changes, tableChange{hash: list[k].hash, o: list[k].o}, tableChange{hash: hash(next), o: next, add: true})
			touched[now.placeOf(list[k].hash).group], touched[now.placeOf(hash(next)).group] = true, true
			list[k] = hashed{hash(next), next}
			next++
		}
		after, _, ok := now.update(changes, never, never)
		if !ok {
			t.Fatal("no update")
		}
		written += len(touched)
		for g := range now.groups {
			d := g >> dirShift
			if !touched[g] && now.dir[d] != nil && now.dir[d][g%dirSize] != 0 &&
				!arena.Same(&now.blocks, now.dir[d][g%dirSize], &after.blocks, after.dir[d][g%dirSize]) {
				moved++
			}
		}
		now = after
	}
	t.Log(written, moved, now.blocks.Used(), now.blocks.Held())
	if moved > 2*written+1000 {
		t.Errorf("%d groups were moved, %d written", moved, written)
	}
}
