package index

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// batch is how many records are asked for before the first is read.
const batch = 64

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
	first  []int // each part's first source, and the number of sources
}

// all returns all pairs of x.
func (x *inverted) all() exchanged {
	e := exchange{x: x, sides: [2]side{{plan: x.plan}, {plan: x.plan, records: slices.Collect(x.t.Ordinals())}}}
	if len(x.types) > 1 || !x.plan.many || x.plan.tail().t.Len() > 8*len(e.sides[1].records) {
		return e.pairs()
	}
	e.takeRecords()
	keys, long := e.findByTail()
	out := e.group(keys, long)
	out.numbers = make([]int32, 0, len(keys))
	for n := range int32(len(keys)) {
		if len(out.come.of(n)) > 0 {
			out.numbers = append(out.numbers, n)
		}
	}
	return out
}

// exchanged returns what leads from x to next.
func (x *inverted) exchanged(next *inverted, c state.Change) exchanged {
	gone := slices.DeleteFunc(slices.Clone(c.Removed), func(o state.Ordinal) bool { return !x.t.Populated(o) })
	e := exchange{x: x, sides: [2]side{{plan: x.plan, records: gone}, {plan: next.plan, records: c.Added}}}
	return e.pairs()
}

// pairs finds the pairs of the records of both sides.
func (e *exchange) pairs() exchanged {
	if len(e.x.types) == 1 && e.x.plan.many {
		e.findCollections()
	} else {
		e.takeRecords()
	}
	e.findKeys()
	long := e.rankLong()
	return e.group(e.rank(), long)
}

// group groups the records by the keys of their sources.
func (e *exchange) group(keys []pair, long [][]byte) exchanged {
	out := exchanged{keys: keys, long: long}
	sides := [2]*grouped{&out.gone, &out.come}
	inTurns(len(sides), func(s int) {
		first := s * len(e.sides[0].records)
		*sides[s] = group(e.sides[s].records, len(keys), func(i int) []uint32 { return e.keysOf(first + i) })
	})
	return out
}

// keysOf returns the keys of a record.
func (e *exchange) keysOf(record int) []uint32 {
	s := int(e.source[record])
	if s < 0 {
		return nil
	}
	part := s * len(e.parts) / e.first[len(e.parts)]
	if s >= e.first[part+1] {
		part++ // split rounds down
	}
	f, from := e.parts[part], int32(0)
	if s -= e.first[part]; s > 0 {
		from = f.ends[s-1]
	}
	return f.keys[from:f.ends[s]]
}

// takeRecords makes the records the sources.
func (e *exchange) takeRecords() {
	e.source = make([]int32, len(e.sides[0].records)+len(e.sides[1].records))
	for i := range e.source {
		e.source[i] = int32(i)
	}
	for s := range e.sides {
		e.sides[s].sources = e.sides[s].records
	}
}

// findCollections makes the sources those collections that the records lead to:
// a record that takes the place of another often refers to the same.
func (e *exchange) findCollections() {
	e.source = make([]int32, len(e.sides[0].records)+len(e.sides[1].records))
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

// find makes finders of parts of n things.
func (e *exchange) find(n, least int, find func(f *finder, from, to int)) {
	parts := split(n, least)
	e.parts, e.first = make([]*finder, len(parts)), make([]int, len(parts)+1)
	inParts(parts, func(i, from, to int) {
		e.parts[i], e.first[i+1] = newFinder(e.x, to-from), to
		find(e.parts[i], from, to)
	})
}

// findKeys finds the keys of the sources, of each side in order.
func (e *exchange) findKeys() {
	n := len(e.sides[0].sources) + len(e.sides[1].sources)
	e.find(n, 64, func(f *finder, from, to int) {
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

// findByTail is findKeys for all records of a type, the second side's: it is
// quicker to find what all tails lead to before. It returns the keys in their
// order, of which some may be of no record.
func (e *exchange) findByTail() (keys []pair, long [][]byte) {
	p := e.x.plan
	tail, target := p.tail(), p.target()
	n := int(target.t.Max()) + 1
	e.find(n, 1<<12, func(f *finder, from, to int) { f.numberAll(target, from, to, to == n) })
	long = e.rankLong()
	keys = e.rank()
	var byTarget []uint32 // and null behind them
	for _, f := range e.parts {
		byTarget = append(byTarget, f.keys...)
	}
	byTail := byTarget
	if tail != target {
		byTail = make([]uint32, int(tail.t.Max())+2)
		inParts(split(len(byTail), 1<<12), func(_, from, to int) {
			for o := from; o < to; o++ {
				t := tail.follow(target, state.Ordinal(o))
				byTail[o] = byTarget[min(uint(t), uint(n))] // NoOrdinal is a great number, too
			}
		})
	}
	records := e.sides[1].records
	e.find(len(records), 1<<10, func(f *finder, from, to int) { f.lookUp(p, records[from:to], byTail) })
	return keys, long
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
			if n != noNumber {
				e.parts[i].keys[k] = own[n]
			}
		}
	})
	return keys
}
