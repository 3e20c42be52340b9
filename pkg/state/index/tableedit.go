package index

import (
	"runtime"
	"slices"
	"sync"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/internal/arena"
	"github.com/holdfast-data/holdfast/pkg/state/internal/prefetch"
)

// update returns the table after the changes, which it takes over. It says of each
// entry that goes whether another one in the table that may have the same hash
// is the same for was, and of each that comes, for is: the sum of those that
// came, less those that went, is extra. It is false if an entry that goes was
// not there or the table would no longer fit.
func (t *table) update(changes []tableChange, was, is func(o, other state.Ordinal) bool) (next table, extra int, ok bool) {
	count := t.count
	for i := range changes {
		if changes[i].add {
			count++
		} else {
			count--
		}
	}
	if t.groups == 0 || !t.fits(count) {
		return table{}, 0, false
	}
	e := tableEdit{table: *t, w: t.blocks.Edit(), own: make([]bool, len(t.dir))}
	e.w.MoveAtMost(movesPerByte)
	e.count = count
	e.dir = slices.Clone(t.dir)
	sorter := t.sorter(changes)
	extras, oks := make([]int, len(sorter.parts)), make([]bool, len(sorter.parts))
	inParts(sorter.parts, func(i, _, _ int) {
		extras[i], oks[i] = (&groupEdit{tableEdit: &e}).run(t, sorter.sort(i), was, is)
	})
	if slices.Contains(oks, false) {
		e.w.Discard()
		return table{}, 0, false
	}
	for _, n := range extras {
		extra += n
	}
	e.evacuate()
	var err error
	e.blocks, err = e.w.Close()
	return e.table, extra, err == nil
}

// movesPerByte is how many bytes of groups are moved for each that is written: a change
// writes a whole group, which is more than the records take that changed, while all
// groups are a small part of a state.
const movesPerByte = 1

// changesAhead is how far ahead of the change under way update asks for
// groups.
const changesAhead = 6

// changesInTurn is how many changes update makes before it lets others have the
// processor.
const changesInTurn = 512

// prefetch asks for the blocks of a group.
func (t *table) prefetch(group uint64) {
	prefetch.Range(t.group(group).Byte(0), 0, groupBytes)
}

// tableEdit is the next version of a table.
type tableEdit struct {
	table
	own []bool // parts of the directory that are copies

	mu      sync.Mutex // of what follows and of long, while groups are changed
	w       *arena.Writer
	ownLong bool // long is a copy
}

func (e *tableEdit) setHandle(group uint64, h arena.Handle) {
	d := group >> dirShift
	if !e.own[d] {
		part := *e.dir[d]
		e.dir[d], e.own[d] = &part, true
	}
	e.dir[d][group%dirSize] = h
}

// groupEdit changes groups of some parts of a table's directory. It is for one
// goroutine.
type groupEdit struct {
	*tableEdit
	changed []uint64         // groups that are to be put in their places
	chains  [putAtOnce]chain // theirs
}

// putAtOnce is how many groups are put in their places at once, so that goroutines
// seldom wait for each other.
const putAtOnce = 32

// run makes changes, of which it has all that some parts of the directory get, and
// sums up what change returns.
func (e *groupEdit) run(from *table, changes []tableChange, was, is func(o, other state.Ordinal) bool) (extra int, ok bool) {
	for k := 0; k < len(changes); {
		n := k + 1
		group := from.placeOf(changes[k].hash).group
		for n < len(changes) && from.placeOf(changes[n].hash).group == group {
			n++
		}
		if ahead := n + changesAhead; ahead < len(changes) {
			from.prefetch(from.placeOf(changes[ahead].hash).group)
		}
		d, ok := e.change(from, group, changes[k:n], was, is)
		if !ok {
			return 0, false
		}
		extra += d
		if n/changesInTurn > k/changesInTurn {
			runtime.Gosched() // a look-up may be waiting for a processor
		}
		k = n
	}
	e.put(from)
	return extra, true
}

// change makes one group anew.
func (e *groupEdit) change(from *table, group uint64, changes []tableChange, was, is func(o, other state.Ordinal) bool) (extra int, ok bool) {
	if len(e.changed) == putAtOnce {
		e.put(from)
	}
	chain := &e.chains[len(e.changed)]
	e.changed = append(e.changed, group)
	chain.load(from, group)
	for _, c := range changes {
		p := e.placeOf(c.hash)
		same := is
		if !c.add {
			if !chain.remove(p, c.o) {
				return 0, false
			}
			same = was
		}
		twin, _ := chain.find(p, func(other state.Ordinal) bool { return same(c.o, other) })
		if c.add {
			chain.add(p, c.o)
		}
		switch {
		case twin < 0:
		case c.add:
			extra++
		default:
			extra--
		}
	}
	chain.trim()
	return extra, true
}

// put puts the groups that were changed in their places.
func (e *groupEdit) put(from *table) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for i, group := range e.changed {
		e.drop(from, group)
		e.setLong(group, e.chains[i].groups() > 1)
		e.setHandle(group, e.chains[i].store(e.w, arena.New))
	}
	e.changed = e.changed[:0]
}

// setLong notes whether others are behind a group.
func (e *tableEdit) setLong(group uint64, is bool) {
	i, was := slices.BinarySearch(e.long, group)
	if is == was {
		return
	}
	if !e.ownLong {
		e.long, e.ownLong = slices.Clone(e.long), true
	}
	if is {
		e.long = slices.Insert(e.long, i, group)
	} else {
		e.long = slices.Delete(e.long, i, i+1)
	}
}

// drop takes the groups of a chain of the version before away.
func (e *tableEdit) drop(from *table, group uint64) {
	for h := from.dir[group>>dirShift][group%dirSize]; h != 0; h = link(from.blocks.Block(h)) {
		e.w.Drop(h, groupBytes)
	}
}

// evacuate moves groups out of segments that are nearly empty. A chain moves
// as a whole. It looks at no group that stays, but for those in long: they are
// all over the memory.
func (e *tableEdit) evacuate() {
	sparse := e.w.Sparse(len(e.dir) * dirSize * 4)
	if sparse == nil {
		return
	}
	var room chain
	for d, part := range e.dir {
		for i, h := range part {
			if arena.In(sparse, h) {
				e.move(&room, uint64(d<<dirShift|i), h)
			}
		}
	}
	for _, group := range e.long {
		if h := e.dir[group>>dirShift][group%dirSize]; e.isSparse(sparse, h) {
			e.move(&room, group, h)
		}
	}
}

func (e *tableEdit) isSparse(sparse []bool, h arena.Handle) bool {
	for ; h != 0; h = link(e.w.Block(h)) {
		if arena.In(sparse, h) {
			return true
		}
	}
	return false
}

// move moves a chain, by way of c.
func (e *tableEdit) move(c *chain, group uint64, h arena.Handle) {
	c.bytes = c.bytes[:0]
	var old []arena.Handle
	for ; h != 0; h = link(e.w.Block(h)) {
		c.bytes = append(c.bytes, e.w.Block(h)[:groupBytes]...)
		old = append(old, h)
	}
	e.setHandle(group, c.store(e.w, arena.Moved))
	for _, h := range old {
		e.w.Drop(h, groupBytes)
	}
}
