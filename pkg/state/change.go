package state

import (
	"fmt"
	"math/bits"
	"runtime"

	"github.com/holdfast-data/holdfast/pkg/state/internal/arena"
)

// typeChange is what leads from one version of a type to the next.
type typeChange struct {
	removed []Ordinal // ascending
	added   []Ordinal // ascending
	// loader returns what loads added records. Each goroutine gets its own.
	loader func() pageLoader
	// check, if not nil, is asked when all are loaded.
	check func() error
	// keep, if not nil, says which added records come.
	keep func(Record) bool
}

// A pageLoader sets the slots of the added records k to n-1, which are in one
// page. It is asked for them in ascending order; those before ahead come next.
type pageLoader func(b *pageBuilder, k, n, ahead int) error

// slot returns the place of an ordinal in its page.
func slot(o Ordinal) int { return int(o) & (pageSize - 1) }

// apply returns the type after the change. Pages and tables without a change
// are shared with t, which stays as it is.
func (t *Type) apply(c typeChange) (*Type, error) {
	e := t.edit()
	for _, o := range c.removed {
		e.remove(o)
	}
	err := e.add(c)
	if err == nil && c.check != nil {
		err = c.check()
	}
	if err != nil {
		e.blocks.Discard()
		return nil, err
	}
	return e.close()
}

// add adds the records that a change adds.
func (e *typeEdit) add(c typeChange) error {
	if len(c.added) == 0 {
		return nil
	}
	work := e.pagesOf(c.added)
	if len(work) >= parallelPages && runtime.GOMAXPROCS(0) > 1 {
		return e.addParallel(work, c)
	}
	load := c.loader()
	e.sieve = newSieve(e.from, c.keep)
	for i, w := range work {
		if ahead := i + pagesAsked; ahead < len(work) {
			e.from.prefetchPage(work[ahead].first)
		}
		if err := e.rewrite(w.first, w.fresh, func(b *pageBuilder) error { return load(b, w.k, w.n, len(c.added)) }); err != nil {
			return err
		}
	}
	return nil
}

// pageWork is a page that gets the records k to n-1 of those that a change adds.
type pageWork struct {
	first Ordinal // of the page
	fresh uint16  // slots that get a record
	old   entry   // of the page before, without what is removed
	k, n  int
}

// pagesOf returns the pages that added records are in.
func (e *typeEdit) pagesOf(added []Ordinal) []pageWork {
	n := 0 // pages
	for k, o := range added {
		if k == 0 || o>>pageShift != added[k-1]>>pageShift {
			n++
		}
	}
	work := make([]pageWork, 0, n)
	for k := 0; k < len(added); {
		w := pageWork{first: added[k] &^ (pageSize - 1), k: k, n: k}
		for ; w.n < len(added) && added[w.n]&^(pageSize-1) == w.first; w.n++ {
			w.fresh |= 1 << slot(added[w.n])
		}
		w.old = e.table.get(int(w.first) >> chunkShift)[w.first>>pageShift%chunkPages]
		work = append(work, w)
		k = w.n
	}
	return work
}

// pagesAsked is how far ahead of the page under way memory is asked for.
const pagesAsked = 4

// A typeEdit makes the next version of a type.
type typeEdit struct {
	from   *Type
	count  int
	table  *pageTableEdit
	blocks *arena.Writer
	b      *pageBuilder
	sieve  *sieve // nil if all records are kept
}

func (t *Type) edit() *typeEdit {
	return &typeEdit{from: t, count: t.count, table: t.table.edit(), blocks: t.blocks.Edit(), b: t.interned.builder(t.schema)}
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

// removeAll makes slots of a page not populated.
func (e *typeEdit) removeAll(first Ordinal, slots uint16) {
	for ; slots != 0; slots &= slots - 1 {
		e.remove(first + Ordinal(bits.TrailingZeros16(slots)))
	}
}

// drop takes a page of the version before away.
func (e *typeEdit) drop(old entry) {
	p := e.from.pageAt(old)
	e.blocks.Drop(old.handle(), p.size())
}

// rewrite makes the page that begins with first anew: with those of its
// records that stay, and fresh ones, whose slots load sets.
func (e *typeEdit) rewrite(first Ordinal, fresh uint16, load func(*pageBuilder) error) error {
	if e.sieve != nil {
		kept, err := e.sieve.sift(first, fresh, load)
		if err != nil {
			return err
		}
		e.removeAll(first, fresh&^kept)
		if kept == 0 {
			return nil
		}
		fresh, load = kept, e.sieve.load
	}
	old := e.b.begin(e.from, *e.entry(first), fresh)
	if err := load(e.b); err != nil {
		return err
	}
	lay, size, err := e.b.plan()
	if err != nil {
		return err
	}
	h, out := e.blocks.Reserve(arena.New, size)
	if out == nil {
		return e.full()
	}
	e.b.fill(out, lay)
	e.replace(first, old, makeEntry(h, lay.number, fresh))
	return nil
}

// begin makes the slots those of a page of t that stay when fresh ones come. It
// returns the length of that page, 0 if there is none.
func (b *pageBuilder) begin(t *Type, old entry, fresh uint16) (size int) {
	b.reset(fresh)
	if old == 0 {
		return 0
	}
	p := t.pageAt(old)
	if keep := old.live() &^ fresh; keep != 0 {
		b.was = p.lay
		b.set |= keep
		b.copyPage(p, keep)
	}
	return p.size()
}

// replace puts a page, of which entry has the fresh records, in the place of the
// one before, which was that long.
func (e *typeEdit) replace(first Ordinal, old int, made entry) {
	at := e.entry(first)
	e.count += bits.OnesCount16(made.live()) - bits.OnesCount16(at.live()&made.live())
	if *at != 0 {
		e.blocks.Drop(at.handle(), old)
	}
	*at = made | entry(at.live())
}

// full is why the arena has no room.
func (e *typeEdit) full() error {
	return fmt.Errorf("type %s: %w", e.from.schema.Name, e.blocks.Err())
}

// evacuate moves pages out of segments that are nearly empty.
func (e *typeEdit) evacuate() {
	sparse := e.blocks.Sparse(len(e.table.pageTable) * chunkPages * 8)
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
	next.measure()
	e.b.release()
	return checked(&next), nil
}

// Changes says which ordinals of each type a transition removed and added.
// Types without change are absent.
type Changes map[string]Change

// Change is the difference between two versions of one type. An ordinal is in
// at most one of the lists, both ascending.
type Change struct{ Removed, Added []Ordinal }

// ChangesBetween compares two states by ordinal, the second of which a delta makes of
// the first. It skips what they share. Of versions further apart it says too little: an
// ordinal may have gone in between and come back as another record's.
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
