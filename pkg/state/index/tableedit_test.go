package index

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// TestManyChanges makes changes that several goroutines share, some hashes more
// than once, and looks for every entry that is and is not there afterwards.
func TestManyChanges(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	r := rand.New(rand.NewPCG(1, 2))
	var hashes []uint64 // of all ordinals
	fresh := func() hashed {
		hashes = append(hashes, r.Uint64N(60_000)*0x9e3779b97f4a7c15)
		return hashed{hashes[len(hashes)-1], state.Ordinal(len(hashes) - 1)}
	}
	same := func(o, other state.Ordinal) bool { return o != other && hashes[o] == hashes[other] }
	extras := func(list []hashed) int { // how many have a hash that one before has
		seen := map[uint64]bool{}
		for _, e := range list {
			seen[e.hash] = true
		}
		return len(list) - len(seen)
	}
	var list []hashed
	for range 60_000 {
		list = append(list, fresh())
	}
	now, sum, err := build(listed(list), same)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 4 {
		var changes []tableChange
		var gone []hashed
		for k := range list {
			if r.IntN(4) == 0 {
				gone = append(gone, list[k])
				changes = append(changes, tableChange{hash: list[k].hash, o: list[k].o})
				list[k] = fresh()
				changes = append(changes, tableChange{hash: list[k].hash, o: list[k].o, add: true})
			}
		}
		r.Shuffle(len(changes), func(i, j int) { changes[i], changes[j] = changes[j], changes[i] })
		if round == 3 { // one that is not there
			missing := slices.Clone(changes)
			missing[0] = tableChange{hash: missing[0].hash, o: state.MaxOrdinal}
			if _, _, ok := now.update(missing, same, same); ok {
				t.Error("an entry that is not there was taken away")
			}
		}
		after, extra, ok := now.update(changes, same, same)
		if !ok {
			t.Fatal("no update")
		}
		has := func(e hashed) bool {
			p := after.probe(e.hash)
			for o := p.next(); o != state.NoOrdinal; o = p.next() {
				if o == e.o {
					return true
				}
			}
			return false
		}
		for _, e := range list {
			if !has(e) {
				t.Fatalf("round %d: entry %d is not there", round, e.o)
			}
		}
		for _, e := range gone {
			if has(e) {
				t.Fatalf("round %d: entry %d is still there", round, e.o)
			}
		}
		if sum += extra; after.count != len(list) || sum != extras(list) {
			t.Errorf("round %d: %d entries, want %d; %d like others, want %d", round, after.count, len(list), sum, extras(list))
		}
		now = after
	}
}
