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
func (x *inverted) exchanged(next *inverted, c state.Change) exchanged {
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
	out := exchanged{long: e.rankLong()}
	out.keys = e.rank()
	keys := e.keysBySource()
	sides := [2]*grouped{&out.gone, &out.come}
	inTurns(len(sides), func(s int) {
		first := s * len(gone)
		*sides[s] = group(e.sides[s].records, len(out.keys), func(i int) []uint32 {
			if n := e.source[first+i]; n >= 0 {
				return keys[n]
			}
			return nil
		})
	})
	return out
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
	found = slices.DeleteFunc(found, func(p pair) bool { return p.head() == noCollection })
	found = sortPairs(found, make([]pair, len(found)))
	for i := range e.source {
		e.source[i] = -1
	}
	for i, p := range found {
		record := p.number()
		if i > 0 && p.head() == found[i-1].head() {
			e.source[record] = e.source[found[i-1].number()]
			continue
		}
		s := 0
		if record >= len(e.sides[0].records) {
			s = 1
		}
		e.source[record] = int32(len(e.sides[s].sources))<<1 | int32(s)
		e.sides[s].sources = append(e.sides[s].sources, state.Ordinal(p.head()))
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
				found[from+i][0] = uint64(c)
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
		for k := range f.refs {
			if tail := f.refs[k].tail; tail >= tailLong {
				f.refs[k].tail = ranks[i][tail-tailLong]
			}
		}
	}
	return keys
}

// rank renumbers all keys in their order and returns them.
func (e *exchange) rank() []pair {
	first := make([]int, len(e.parts)+1)
	for i, f := range e.parts {
		first[i+1] = first[i] + len(f.refs)
	}
	list := make([]pair, first[len(e.parts)])
	for i, f := range e.parts {
		for k, ref := range f.refs {
			list[first[i]+k] = ref.pair(first[i] + k)
		}
	}
	ranks := make([]uint32, len(list))
	list = sortPairs(list, make([]pair, len(list)))
	keys := list[:0] // one of each, in front of where it is read
	for i, p := range list {
		if i == 0 || p.key() != keys[len(keys)-1].key() {
			keys = append(keys, p)
		}
		ranks[p.number()] = uint32(len(keys) - 1)
	}
	inTurns(len(e.parts), func(i int) {
		own := ranks[first[i]:]
		for k, n := range e.parts[i].keys {
			e.parts[i].keys[k] = own[n]
		}
	})
	return keys
}

// keysBySource returns the numbers of each source's keys.
func (e *exchange) keysBySource() [][]uint32 {
	out := make([][]uint32, 0, len(e.sides[0].sources)+len(e.sides[1].sources))
	for _, f := range e.parts {
		from := int32(0)
		for _, end := range f.ends {
			out = append(out, f.keys[from:end])
			from = end
		}
	}
	return out
}

// finder finds the keys of sources.
type finder struct {
	x      *inverted
	walker walker
	code   []byte
	fixed  bool // keys are of one number

	refs []keyRef // keys, some of them several times
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
	f.walker.ahead = true
	if len(x.types) == 1 {
		f.fixed = x.types[0] != state.String && x.types[0] != state.Bytes
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
	f.refs = append(f.refs, ref)
	return uint32(len(f.refs) - 1)
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
