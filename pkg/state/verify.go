package state

import (
	"fmt"
	"math/bits"

	"github.com/holdfast-data/holdfast/pkg/state/internal/arena"
)

// verify returns an error unless the pages of t, its page table and its counts
// agree. It looks at every page; see checked.
func (t *Type) verify() error {
	if noChunk != (chunk{}) {
		return fmt.Errorf("the chunk without entries has some: %x", noChunk)
	}
	count, layouts := 0, len(t.interned.all())
	var pages []arena.Place
	for i, c := range t.table {
		for p, e := range c {
			if e == 0 {
				continue
			}
			first := i<<chunkShift | p<<pageShift
			if e.live() == 0 || e.handle() == 0 || int(e.layout()) >= layouts {
				return fmt.Errorf("ordinals from %d on: page %#x, layout %d of %d, populated %016b", first, e.handle(), e.layout(), layouts, e.live())
			}
			count += bits.OnesCount16(e.live())
			pages = append(pages, arena.Place{Handle: e.handle(), Length: t.pageAt(e).size()})
		}
	}
	if count != t.count {
		return fmt.Errorf("%d ordinals are populated, %d are counted", count, t.count)
	}
	return t.blocks.Verify(pages)
}
