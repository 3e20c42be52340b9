package index

import (
	"slices"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// finder finds the keys of sources.
type finder struct {
	x      *inverted
	walker walker
	code   []byte
	fixed  bool // keys are of one number

	several bool // keys are of several parts

	refs []keyRef // keys, those of one part some of them several times
	keys []uint32 // of the sources: numbers in refs
	ends []int32  // of each source's keys
	long numbers

	tails    []state.Ordinal // that a batch of sources leads to, then what has their values
	tailEnds []int           // of each source's
	memo     []uint32        // by ordinal of what has the value, if there are few: the key's number plus one
}

func newFinder(x *inverted, sources int) *finder {
	f := &finder{x: x, long: newNumbers()}
	f.walker.key = make([]state.Value, len(x.types))
	f.walker.found = f.found
	if f.several = len(x.types) > 1; !f.several {
		f.fixed = x.types[0] != state.String && x.types[0] != state.Bytes
		f.walker.tail = x.plan.tail()
	}
	f.ends = make([]int32, 0, sources)
	return f
}

// findAll finds the keys of sources of the side with a plan.
func (f *finder) findAll(p *plan, sources []state.Ordinal) {
	if f.several {
		for _, o := range sources {
			f.walker.walk(p, o)
			f.ends = append(f.ends, int32(len(f.keys)))
		}
		return
	}
	tail, target := p.tail(), p.target()
	if n := int(target.t.Max()) + 1; len(f.memo) < n {
		if n <= 4*len(sources) || n <= 256 {
			f.memo = append(f.memo, make([]uint32, n-len(f.memo))...)
		}
	}
	if many := p.collection(); many != nil {
		p = many
	}
	f.walker.tail = tail
	start := len(f.keys)
	for done := 0; done < len(sources); done += batch {
		if done == 4*batch { // the rest will be much like these
			left := (len(f.keys) - start) * (len(sources) - done) / done
			f.keys = slices.Grow(f.keys, left)
			if len(f.memo) == 0 {
				f.refs = slices.Grow(f.refs, left)
			}
		}
		f.findTails(p, tail, sources[done:min(done+batch, len(sources))])
		f.findTargets(tail)
		f.findValues(target)
	}
}

// findTails fills tails.
func (f *finder) findTails(p, tail *plan, sources []state.Ordinal) {
	f.tails, f.tailEnds = f.tails[:0], f.tailEnds[:0]
	if p == tail {
		f.tails = append(f.tails, sources...)
		for i := range sources {
			f.tailEnds = append(f.tailEnds, i+1)
		}
		return
	}
	p.t.Prefetch(sources)
	for _, o := range sources {
		f.walker.walk(p, o)
		f.tailEnds = append(f.tailEnds, len(f.tails))
	}
}

// found collects what the walker found: tails, or a key.
func (f *finder) found(list []state.Ordinal) {
	if f.walker.tail != nil {
		f.tails = append(f.tails, list...)
		return
	}
	f.note(f.number(f.walker.key))
}

// findTargets follows references from tails to the records with the values.
func (f *finder) findTargets(tail *plan) {
	for p := tail; len(p.subs) > 0; p = p.subs[0].p {
		p.t.Prefetch(f.tails)
		via := p.subs[0].via
		for i, o := range f.tails {
			f.tails[i] = state.NoOrdinal
			if p.t.Populated(o) {
				f.tails[i] = p.t.Record(o).Reference(via)
			}
		}
	}
}

// findValues finds the keys of the batch of sources.
func (f *finder) findValues(target *plan) {
	if len(f.memo) == 0 {
		target.t.Prefetch(f.tails)
	}
	field := target.leaves[0].field
	at := 0
	for _, end := range f.tailEnds {
		for _, o := range f.tails[at:end] {
			f.note(f.value(target.t, o, field))
		}
		at = end
		f.ends = append(f.ends, int32(len(f.keys)))
	}
}

// noNumber stands for a key that is in no tree.
const noNumber = ^uint32(0)

// note notes a key of the source under way.
func (f *finder) note(n uint32) {
	if n != noNumber {
		f.keys = append(f.keys, n)
	}
}

// value returns the number of the key in a field of record o, null if there is
// none.
func (f *finder) value(t *state.Type, o state.Ordinal, field int) uint32 {
	key := f.walker.key
	if !t.Populated(o) {
		key[0] = state.Value{}
		return f.number(key)
	}
	if int(o) < len(f.memo) && f.memo[o] != 0 {
		return f.memo[o] - 1
	}
	key[0] = t.Record(o).Value(field)
	n := f.number(key)
	if int(o) < len(f.memo) {
		f.memo[o] = n + 1
	}
	return n
}

// number returns a number for a key.
func (f *finder) number(key []state.Value) uint32 {
	ref, ok := f.ref(key)
	if !ok {
		return noNumber
	}
	if f.several { // and mostly far fewer than pairs
		if n := f.long.of(f.code); int(n) < len(f.refs) {
			return uint32(n)
		}
	}
	f.refs = append(f.refs, ref)
	return uint32(len(f.refs) - 1)
}

// numberAll makes keys the numbers of what is in the records of a plan from one
// ordinal up to another, and of null behind them, if that is wanted.
func (f *finder) numberAll(target *plan, from, to int, null bool) {
	f.keys = make([]uint32, 0, to-from+1)
	field := target.leaves[0].field
	for o := from; o < to; o++ {
		f.keys = append(f.keys, f.value(target.t, state.Ordinal(o), field))
	}
	if null {
		f.keys = append(f.keys, f.value(target.t, state.NoOrdinal, field))
	}
}

// lookUp finds the keys of records by what their tails lead to.
func (f *finder) lookUp(p *plan, records []state.Ordinal, byTail []uint32) {
	many := p.collection()
	null := len(byTail) - 1
	var room [batch]state.Ordinal
	for done := 0; done < len(records); done += batch {
		if done == 16*batch { // the rest will be much like these
			f.keys = slices.Grow(f.keys, len(f.keys)*(len(records)-done)/done)
		}
		part := records[done:min(done+batch, len(records))]
		for i, o := range part {
			room[i] = p.follow(many, o)
		}
		many.t.Prefetch(room[:len(part)])
		for _, o := range room[:len(part)] {
			f.tails = f.tails[:0]
			if many.t.Populated(o) {
				f.walker.walk(many, o)
			}
			for _, tail := range f.tails {
				f.note(byTail[min(uint(tail), uint(null))])
			}
			f.ends = append(f.ends, int32(len(f.keys)))
		}
	}
}

// ref returns a key, or false if it is in no tree.
func (f *finder) ref(key []state.Value) (k keyRef, ok bool) {
	if head, ok := integerHead(key[0]); ok && f.fixed {
		return keyRef{head, tailNone}, true
	}
	f.code = f.x.code(f.code[:0], key)
	switch n := len(f.code); {
	case n == 0:
		return keyRef{}, false
	case n > 8:
		return keyRef{headOf(f.code), tailLong + uint32(f.long.of(f.code))}, true
	case f.fixed:
		return keyRef{headOf(f.code), tailNone}, true
	default:
		return keyRef{headOf(f.code), uint32(n)}, true
	}
}
