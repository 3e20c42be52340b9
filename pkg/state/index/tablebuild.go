package index

import (
	"errors"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/internal/arena"
)

// hashed is an entry with its hash.
type hashed struct {
	hash uint64
	o    state.Ordinal
}

// inGroup is an entry of a known group: the rest of its hash says where in it.
type inGroup struct {
	rest uint32
	o    state.Ordinal
}

// A source has entries, in parts that are read at the same time, each twice.
type source struct {
	n     int      // of all
	parts [][2]int // of what each takes
	// each calls f with the entries of a part, some at a time.
	each func(from, to int, f func([]hashed))
}

// listed is a source of what is in a list.
func listed(list []hashed) source {
	return source{len(list), split(len(list), 1<<16), func(from, to int, f func([]hashed)) { f(list[from:to]) }}
}

// leastParts is how many parts of a directory are worth a goroutine: some ten thousand
// entries.
const leastParts = 4

// errIncomplete says that a source has fewer entries than it says.
var errIncomplete = errors.New("entries are missing")

// build returns a table of the entries, which are in no order, and how many of
// them another one before is the same as. It fails with errIncomplete if the source
// has not as many as it says.
func build(entries source, same func(o, other state.Ordinal) bool) (t table, extra int, err error) {
	t.groups = max(1, uint64(entries.n+freshFill-1)/freshFill)
	t.count = entries.n
	t.dir = make([]*[dirSize]arena.Handle, (t.groups+dirSize-1)>>dirShift)
	sorted, ends := byGroup(&t, entries)
	if sorted == nil {
		return table{}, 0, errIncomplete
	}
	parts := split(len(t.dir), leastParts)
	blocks, extras, errs := make([]arena.Arena, len(parts)), make([]int, len(parts)), make([]error, len(parts))
	long := make([][]uint64, len(parts))
	inParts(parts, func(i, from, to int) {
		blocks[i], long[i], extras[i], errs[i] = t.buildPart(sorted, ends, from, to, same)
	})
	t.long = slices.Concat(long...)
	if err := errors.Join(errs...); err != nil {
		return table{}, 0, err
	}
	all, shift, err := arena.Join(blocks)
	if err != nil {
		return table{}, 0, err
	}
	t.blocks = all
	for i, p := range parts {
		extra += extras[i]
		if shift[i] != 0 {
			t.shift(p, shift[i])
		}
	}
	return t, extra, nil
}

// buildPart makes the groups of some parts of the directory. ends says where
// the entries of each group end in sorted.
func (t *table) buildPart(sorted []inGroup, ends []uint32, from, to int, same func(o, other state.Ordinal) bool) (blocks arena.Arena, long []uint64, extra int, err error) {
	w := t.blocks.Edit()
	var c chain
	for d := from; d < to; d++ {
		t.dir[d] = new([dirSize]arena.Handle)
		for group := d * dirSize; group < min((d+1)*dirSize, len(ends)); group++ {
			start := uint32(0)
			if group > 0 {
				start = ends[group-1]
			}
			if start == ends[group] {
				continue
			}
			c.clear()
			all := sorted[start:ends[group]]
			for i, x := range all {
				p := placeIn(uint64(group), x.rest)
				twin, _ := c.find(p, func(other state.Ordinal) bool {
					return (i > mostHashes || restIn(all[:i], other) == x.rest) && same(x.o, other)
				})
				if twin >= 0 {
					extra++
				}
				c.add(p, x.o)
			}
			if c.groups() > 1 {
				long = append(long, uint64(group))
			}
			t.dir[d][group%dirSize] = c.store(w, arena.New)
		}
	}
	blocks, err = w.CloseTrimmed()
	return blocks, long, extra, err
}

// mostHashes is among how many entries of a group a hash is looked for, to save
// waiting for the record. Groups that have many more have many of one key.
const mostHashes = 128

// restIn returns the rest of the hash of the entry of o, which is in a list.
func restIn(list []inGroup, o state.Ordinal) uint32 {
	i := 0
	for list[i].o != o {
		i++
	}
	return list[i].rest
}

// shift adds to all handles of a part of the directory, which nobody else knows
// yet.
func (t *table) shift(p [2]int, by arena.Handle) {
	for _, part := range t.dir[p[0]:p[1]] {
		for i, h := range part {
			if h == 0 {
				continue
			}
			part[i] = h + by
			for g := t.blocks.Block(h + by); link(g) != 0; g = t.blocks.Block(link(g)) {
				setLink(g, link(g)+by)
			}
		}
	}
}

// split divides n things into parts, one for each processor, if there are many
// times least of them: it returns the first of each part, and the one behind
// its last.
func split(n, least int) [][2]int {
	parts := max(1, min(runtime.GOMAXPROCS(0), n/least))
	out := make([][2]int, parts)
	for i := range out {
		out[i] = [2]int{n * i / parts, n * (i + 1) / parts}
	}
	return out
}

// inParts calls f for all parts at the same time and waits.
func inParts(parts [][2]int, f func(i, from, to int)) {
	var all sync.WaitGroup
	for i, p := range parts[1:] {
		all.Go(func() { f(i+1, p[0], p[1]) })
	}
	f(0, parts[0][0], parts[0][1])
	all.Wait()
}

// inTurns calls f for 0 to n-1, on each processor for one after the other, and
// waits.
func inTurns(n int, f func(i int)) {
	var next atomic.Int64
	work := func() {
		for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
			f(i)
			runtime.Gosched() // a look-up may be waiting for a processor
		}
	}
	var all sync.WaitGroup
	for range min(n, runtime.GOMAXPROCS(0)) - 1 {
		all.Go(work)
	}
	work()
	all.Wait()
}

// byGroup sorts entries by group, by counting, and says where each group ends. It
// returns nil if the source is not complete.
func byGroup(t *table, entries source) (sorted []inGroup, ends []uint32) {
	places := make([][]uint32, len(entries.parts)) // of the next entry of a group, by part
	inParts(entries.parts, func(i, from, to int) {
		own := make([]uint32, t.groups)
		entries.each(from, to, func(list []hashed) {
			for _, x := range list {
				own[t.placeOf(x.hash).group]++
			}
		})
		places[i] = own
	})
	ends = make([]uint32, t.groups)
	sum := uint32(0)
	for group := range ends {
		for _, own := range places {
			own[group], sum = sum, sum+own[group]
		}
		ends[group] = sum
	}
	if int(sum) != entries.n {
		return nil, nil
	}
	sorted = make([]inGroup, entries.n)
	inParts(entries.parts, func(i, from, to int) {
		own := places[i]
		entries.each(from, to, func(list []hashed) {
			for _, x := range list {
				g := t.placeOf(x.hash).group
				sorted[own[g]] = inGroup{uint32(x.hash), x.o}
				own[g]++
			}
		})
	})
	return sorted, ends
}
