package state

import (
	"fmt"
	"math/bits"

	"github.com/holdfast-data/holdfast/pkg/state/internal/arena"
)

// typeChange is what leads from one version of a type to the next.
type typeChange struct {
	removed []Ordinal // ascending
	added   []Ordinal // ascending
	// load sets the slots of the added records k to n-1, which are in one page.
	load func(b *pageBuilder, k, n int) error
}

// slot returns the place of an ordinal in its page.
func slot(o Ordinal) int { return int(o) & (pageSize - 1) }

// apply returns the type after the change. Pages and tables without a change
// are shared with t, which stays as it is.
func (t *Type) apply(c typeChange) (*Type, error) {
	e := t.edit()
	for _, o := range c.removed {
		e.remove(o)
	}
	for k := 0; k < len(c.added); {
		first, fresh := c.added[k]&^(pageSize-1), uint16(0)
		n := k
		for ; n < len(c.added) && c.added[n]&^(pageSize-1) == first; n++ {
			fresh |= 1 << slot(c.added[n])
		}
		if n+recordsAhead < len(c.added) {
			t.prefetch(c.added[n+recordsAhead])
		}
		if err := e.rewrite(first, fresh, func() error { return c.load(e.b, k, n) }); err != nil {
			e.blocks.Discard()
			return nil, err
		}
		k = n
	}
	return e.close()
}

// recordsAhead is how far ahead of the record under way apply asks for pages.
const recordsAhead = 4

// A typeEdit makes the next version of a type.
type typeEdit struct {
	from   *Type
	count  int
	table  *pageTableEdit
	blocks *arena.Writer
	b      *pageBuilder
}

func (t *Type) edit() *typeEdit {
	return &typeEdit{t, t.count, t.table.edit(), t.blocks.Edit(), newPageBuilder(t.schema, t.interned)}
}

// entry returns the page-table entry of the page with o, for writing.
func (e *typeEdit) entry(o Ordinal) *entry {
	return &e.table.chunk(int(o) >> chunkShift)[o>>pageShift%chunkPages]
}

// remove makes o not populated, and takes its page away if it was the last.
func (e *typeEdit) remove(o Ordinal) {
	c := e.table.get(int(o) >> chunkShift)
	if c[o>>pageShift%chunkPages]>>slot(o)&1 == 0 {
		return
	}
	at := e.entry(o)
	*at &^= 1 << slot(o)
	e.count--
	if at.live() == 0 {
		e.drop(*at)
		*at = 0
	}
}

// drop takes a page of the version before away.
func (e *typeEdit) drop(old entry) {
	p := e.from.pageAt(old)
	e.blocks.Drop(old.handle(), p.size())
}

// rewrite makes the page that begins with first anew: with those of its
// records that stay, and fresh ones, whose slots load sets.
func (e *typeEdit) rewrite(first Ordinal, fresh uint16, load func() error) error {
	at := e.entry(first)
	e.b.reset()
	keep := at.live() &^ fresh
	if keep != 0 {
		e.b.copyPage(e.from.pageAt(*at), keep)
	}
	e.b.set |= fresh
	if err := load(); err != nil {
		return err
	}
	lay, size, err := e.b.plan()
	if err != nil {
		return err
	}
	h, out := e.blocks.Reserve(arena.New, size)
	if out == nil {
		return fmt.Errorf("type %s: %w", e.from.schema.Name, e.blocks.Err())
	}
	e.b.fill(out, lay)
	e.count += bits.OnesCount16(fresh) - bits.OnesCount16(at.live()&fresh)
	if *at != 0 {
		e.drop(*at)
	}
	*at = makeEntry(h, lay.number, keep|fresh)
	return nil
}

// evacuate moves pages out of segments that are nearly empty.
func (e *typeEdit) evacuate() {
	sparse := e.blocks.Sparse()
	if sparse == nil {
		return
	}
	lays := e.from.interned.all()
	for i, c := range e.table.pageTable {
		for p, old := range c {
			if old == 0 || !arena.In(sparse, old.handle()) {
				continue
			}
			size := page{lays[old.layout()], e.blocks.Page(old.handle())}.size()
			h := e.blocks.Put(arena.Moved, e.blocks.Block(old.handle())[:size])
			e.table.chunk(i)[p] = makeEntry(h, old.layout(), old.live())
			e.blocks.Drop(old.handle(), size)
		}
	}
}

// close returns the version.
func (e *typeEdit) close() (*Type, error) {
	next := *e.from
	next.count, next.counts, next.table = e.count, new(lazyTally), e.table.pageTable
	var err error
	if e.from.count == 0 {
		next.blocks, err = e.blocks.CloseTrimmed()
	} else {
		e.evacuate()
		next.blocks, err = e.blocks.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("type %s: %w", next.schema.Name, err)
	}
	next.lays = next.interned.all()
	return checked(&next), nil
}

// Changes says which ordinals of each type a transition removed and added.
// Types without change are absent.
type Changes map[string]Change

// Change is the difference between two versions of one type. An ordinal is in
// at most one of the lists, both ascending.
type Change struct{ Removed, Added []Ordinal }

// ChangesBetween compares two states of one chain by ordinal. It skips what they
// share.
func ChangesBetween(from, to *State) Changes {
	out := Changes{}
	compare := func(name string, before, now pageTable) {
		if c := changeBetween(before, now); len(c.Added)+len(c.Removed) > 0 {
			out[name] = c
		}
	}
	for _, t := range to.types {
		var before pageTable
		if old := from.byName[t.schema.Name]; old != nil {
			before = old.table
		}
		compare(t.schema.Name, before, t.table)
	}
	for _, t := range from.types {
		if to.byName[t.schema.Name] == nil {
			compare(t.schema.Name, t.table, nil)
		}
	}
	return out
}

// changeBetween compares which ordinals two tables of one type have.
func changeBetween(before, now pageTable) (c Change) {
	for i := range max(len(before), len(now)) {
		x, y := before.get(i), now.get(i)
		if x == y {
			continue
		}
		for w := range chunkWords {
			first := Ordinal(i<<chunkShift + w*64)
			was, is := x.word(w), y.word(w)
			c.Added = appendOrdinals(c.Added, first, is&^was)
			c.Removed = appendOrdinals(c.Removed, first, was&^is)
		}
	}
	return c
}

func appendOrdinals(list []Ordinal, first Ordinal, word uint64) []Ordinal {
	for ; word != 0; word &= word - 1 {
		list = append(list, first+Ordinal(bits.TrailingZeros64(word)))
	}
	return list
}
