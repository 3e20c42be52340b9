package index

import (
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// TestChainOfOneKey adds entries of one place, which fill group after group, takes
// some out and adds others: all are found, no room is left over, and who adds looks
// only at groups that may have some.
func TestChainOfOneKey(t *testing.T) {
	const n = 10_000
	var c chain
	c.clear()
	p := place{block: 3, tag: 7}
	has := func(o state.Ordinal) bool {
		block, _ := c.find(p, func(other state.Ordinal) bool { return other == o })
		return block >= 0
	}
	for o := range state.Ordinal(n) {
		c.add(p, o)
	}
	groups := c.groups()
	if most := n/(blocksPerGroup*blockSize) + 1; groups > most || c.full < groups-1 {
		t.Errorf("%d groups, want %d; the first %d are full", groups, most, c.full)
	}
	for o := state.Ordinal(0); o < n; o += 10 {
		if !c.remove(p, o) {
			t.Fatalf("entry %d was not there", o)
		}
	}
	for o := state.Ordinal(0); o < n; o += 10 {
		if has(o) || !has(o+1) {
			t.Fatalf("entry %d was taken out: it is there, or the next is not", o)
		}
	}
	for o := range state.Ordinal(n / 10) {
		c.add(p, n+o)
	}
	if c.groups() != groups || c.full < groups-1 {
		t.Errorf("%d groups, of which the first %d are full, want as many as before, %d", c.groups(), c.full, groups)
	}
	for o := range state.Ordinal(n / 10) {
		if !has(n + o) {
			t.Fatalf("entry %d is not there", n+o)
		}
	}
}
