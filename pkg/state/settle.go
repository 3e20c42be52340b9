package state

import (
	"context"
	"iter"
	"runtime/debug"

	"github.com/holdfast-data/holdfast/pkg/state/internal/hugepage"
)

// largeState is from what size on, in bytes, it is worth a collection to give
// back what a snapshot took while it was read.
const largeState = 64 << 20

// Settle is for a large state that was read from a snapshot and will stay for
// long: it gives the memory that reading took back to the system and asks it to
// lay the state's own, with that of its indexes, in huge pages, until ctx ends. It may
// take as long as the reading, where the system has to find that memory first, and changes
// nothing that a reader sees: who reads at the same time waits for some milliseconds now
// and then, and is faster afterwards. A small state it leaves alone.
func (s *State) Settle(ctx context.Context) {
	held := int64(0)
	var ranges hugepage.Ranges
	for _, t := range s.types {
		held += t.blocks.Held()
		for b := range t.blocks.Segments() {
			ranges.Add(b)
		}
	}
	if held < largeState {
		return
	}
	for _, x := range s.indexes {
		if x, ok := x.(interface{ Memory() iter.Seq[[]byte] }); ok {
			for b := range x.Memory() {
				ranges.Add(b)
			}
		}
	}
	debug.FreeOSMemory()
	ranges.Collapse(ctx)
}
