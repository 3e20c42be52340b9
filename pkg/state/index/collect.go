package index

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// side is records of one state, those that go or those that come.
type side struct {
	plan    *plan
	records []state.Ordinal
	// sources are what the keys of the records are found from: the records
	// themselves, or the first collections on the way. What both sides refer to
	// is a source of the first only.
	sources []state.Ordinal
}

// exchange finds the pairs that a change takes and brings.
type exchange struct {
	x      *inverted
	sides  [2]side
	source []int32 // by record, of one side and then the other; -1 for none
	parts  []*finder
}

// exchanged returns what leads from x to next.
func (x *inverted) exchanged(next *inverted, c state.Change) pairs {
	gone := slices.DeleteFunc(slices.Clone(c.Removed), func(o state.Ordinal) bool { return !x.t.Populated(o) })
	e := exchange{x: x, sides: [2]side{{plan: x.plan, records: gone}, {plan: next.plan, records: c.Added}}}
	e.source = make([]int32, len(gone)+len(c.Added))
	if len(x.types) == 1 && x.plan.many {
		e.findCollections()
	} else {
		for i := range e.source {
			e.source[i] = int32(i)
		}
		for s := range e.sides {
			e.sides[s].sources = e.sides[s].records
		}
	}
	e.findKeys()
	long := e.rankLong()
	list := e.pairs()
	return pairs{sortPairs(list, make([]pair, len(list))), long}
}

// findCollections makes the sources those collections that the records lead to:
// a record that takes the place of another often refers to the same.
func (e *exchange) findCollections() {
	found := make([]pair, len(e.source))
	for s := range e.sides {
		records, p := e.sides[s].records, e.sides[s].plan
		start := s * len(e.sides[0].records)
		inParts(split(len(records), 1<<10), func(_, from, to int) {
			p.collections(found[start+from:start+to], records[from:to], start+from)
		})
	}
	found = slices.DeleteFunc(found, func(p pair) bool { return p.head == noCollection })
	found = sortPairs(found, make([]pair, len(found)))
	for i := range e.source {
		e.source[i] = -1
	}
	for i, p := range found {
		record := int(p.rest)
		if i > 0 && p.head == found[i-1].head {
			e.source[record] = e.source[int(found[i-1].rest)]
			continue
		}
		s := 0
		if record >= len(e.sides[0].records) {
			s = 1
		}
		e.source[record] = int32(len(e.sides[s].sources))<<1 | int32(s)
		e.sides[s].sources = append(e.sides[s].sources, state.Ordinal(p.head))
	}
	for i, n := range e.source {
		if n >= 0 {
			e.source[i] = n>>1 + n&1*int32(len(e.sides[0].sources))
		}
	}
}

// noCollection stands for the collection of a record that leads to none.
const noCollection = ^uint64(0)

// collections sets found to the collections that records lead to, with the
// numbers of the records, which are counted from first on.
func (p *plan) collections(found []pair, records []state.Ordinal, first int) {
	many := p.collection()
	for from := 0; from < len(records); from += batch {
		part := records[from:min(from+batch, len(records))]
		p.t.Prefetch(part)
		for i, o := range part {
			c := p.follow(many, o)
			found[from+i] = pair{noCollection, uint64(first + from + i)}
			if many.t.Populated(c) {
				found[from+i].head = uint64(c)
			}
		}
	}
}

// findKeys lets finders find the keys of the sources, of each side in order.
func (e *exchange) findKeys() {
	n := len(e.sides[0].sources) + len(e.sides[1].sources)
	parts := split(n, 64)
	e.parts = make([]*finder, len(parts))
	inParts(parts, func(i, from, to int) {
		f := newFinder(e.x, to-from)
		e.parts[i] = f
		first := 0
		for s := range e.sides {
			sources := e.sides[s].sources
			a, b := max(from, first)-first, min(to, first+len(sources))-first
			if a < b {
				f.findAll(e.sides[s].plan, sources[a:b])
			}
			first += len(sources)
		}
	})
}

// rankLong renumbers the longer keys in their order and returns them.
func (e *exchange) rankLong() [][]byte {
	type longKey struct {
		key    []byte
		part   int
		number int
	}
	var all []longKey
	for i, f := range e.parts {
		for n, key := range f.long.list {
			all = append(all, longKey{key, i, n})
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortFunc(all, func(a, b longKey) int {
		if x, y := headOf(a.key), headOf(b.key); x != y {
			return cmp.Compare(x, y)
		}
		return bytes.Compare(a.key, b.key)
	})
	var keys [][]byte
	ranks := make([][]uint32, len(e.parts))
	for i, f := range e.parts {
		ranks[i] = make([]uint32, len(f.long.list))
	}
	for i, k := range all {
		if i == 0 || !bytes.Equal(k.key, all[i-1].key) {
			keys = append(keys, k.key)
		}
		ranks[k.part][k.number] = tailLong + uint32(len(keys)-1)
	}
	for i, f := range e.parts {
		for k := range f.keys {
			if tail := f.keys[k].tail; tail >= tailLong {
				f.keys[k].tail = ranks[i][tail-tailLong]
			}
		}
	}
	return keys
}

// pairs returns the pairs of all records, in their order.
func (e *exchange) pairs() []pair {
	var keys [][]keyRef // by source
	for _, f := range e.parts {
		from := int32(0)
		for _, end := range f.ends {
			keys = append(keys, f.keys[from:end])
			from = end
		}
	}
	starts := make([]int, len(e.source)+1)
	for i, s := range e.source {
		starts[i+1] = starts[i]
		if s >= 0 {
			starts[i+1] += len(keys[s])
		}
	}
	out := make([]pair, starts[len(e.source)])
	inParts(split(len(e.source), 1<<9), func(_, from, to int) {
		for i := from; i < to; i++ {
			if e.source[i] < 0 {
				continue
			}
			o, come := e.record(i)
			list := out[starts[i]:starts[i+1]]
			for k, key := range keys[e.source[i]] {
				list[k] = key.pair(o, come)
			}
		}
	})
	return out
}

// record returns record i, and 1 if it comes.
func (e *exchange) record(i int) (o state.Ordinal, come uint64) {
	if n := len(e.sides[0].records); i >= n {
		return e.sides[1].records[i-n], 1
	}
	return e.sides[0].records[i], 0
}

// finder finds the keys of sources.
type finder struct {
	x      *inverted
	walker walker
	code   []byte
	number bool // keys are of one number

	keys []keyRef
	ends []int32 // of each source's keys
	long numbers

	tails    []state.Ordinal // that a batch of sources leads to, then what has their values
	tailEnds []int           // of each source's
	memo     []keyRef        // by ordinal of what has the value, if there are few
}

func newFinder(x *inverted, sources int) *finder {
	f := &finder{x: x, long: newNumbers()}
	f.walker.key = make([]state.Value, len(x.types))
	f.walker.found = f.found
	f.walker.ahead = true
	if len(x.types) == 1 {
		f.number = x.types[0] != state.String && x.types[0] != state.Bytes
		f.walker.tail = x.plan.tail()
	}
	f.ends = make([]int32, 0, sources)
	return f
}

// findAll finds the keys of sources of the side with a plan.
func (f *finder) findAll(p *plan, sources []state.Ordinal) {
	if len(f.x.types) > 1 {
		for _, o := range sources {
			f.walker.walk(p, o)
			f.ends = append(f.ends, int32(len(f.keys)))
		}
		return
	}
	tail, target := p.tail(), p.target()
	if n := int(target.t.Max()) + 1; len(f.memo) < n {
		if n <= 4*len(sources) || n <= 256 {
			f.memo = append(f.memo, make([]keyRef, n-len(f.memo))...)
		}
	}
	if many := p.collection(); many != nil {
		p = many
	}
	f.walker.tail = tail
	start := len(f.keys)
	for done := 0; done < len(sources); done += batch {
		if done == 4*batch { // the rest will be much like these
			f.keys = slices.Grow(f.keys, (len(f.keys)-start)*(len(sources)-done)/done)
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
	f.note(f.ref(f.walker.key))
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

// tailKnown marks what is in the memo, tailNever a key that is in no tree.
const (
	tailKnown = 1 << 31
	tailNever = 1 << 30
)

func (f *finder) note(k keyRef) {
	if k.tail != tailNever {
		f.keys = append(f.keys, k)
	}
}

// value returns the key in a field of record o, null if there is none.
func (f *finder) value(t *state.Type, o state.Ordinal, field int) keyRef {
	key := f.walker.key
	if !t.Populated(o) {
		key[0] = state.Value{}
		return f.ref(key)
	}
	if int(o) >= len(f.memo) {
		key[0] = t.Record(o).Value(field)
		return f.ref(key)
	}
	k := f.memo[o]
	if k.tail == 0 {
		key[0] = t.Record(o).Value(field)
		k = f.ref(key)
		f.memo[o] = keyRef{k.head, k.tail | tailKnown}
	}
	k.tail &^= tailKnown
	return k
}

// ref returns a key as it is in a pair. A longer one has a number.
func (f *finder) ref(key []state.Value) keyRef {
	if head, ok := integerHead(key[0]); ok && f.number {
		return keyRef{head, tailNone}
	}
	f.code = f.x.code(f.code[:0], key)
	switch n := len(f.code); {
	case n == 0:
		return keyRef{tail: tailNever}
	case n > 8:
		return keyRef{headOf(f.code), tailLong + uint32(f.long.of(f.code))}
	case f.number:
		return keyRef{headOf(f.code), tailNone}
	default:
		return keyRef{headOf(f.code), uint32(n)}
	}
}
