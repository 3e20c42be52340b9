package index

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// gathering collects the keys of records. Keys get small numbers in order of
// appearance, and each record is noted with the numbers of its keys, so that
// sorting the records by key is counting.
type gathering struct {
	x      *inverted
	walker walker
	code   []byte
	keys   numbers
	last   []state.Ordinal // by number: the record that came with it last

	now    state.Ordinal // the record under way
	stream []int32       // its complement, and the numbers of its keys

	byTarget memo // the number of the key in a record that has it
	byTail   memo // the same by a record that leads to it
	byMany   memo // by collection: where in done its numbers are
	done     []span
}

// span is a part of the stream.
type span struct{ from, to int }

// noKey is the number of what is in no tree.
const noKey = int32(-1)

// newGathering prepares for few records, or for all of a state.
func newGathering(x *inverted, all bool) *gathering {
	g := &gathering{x: x, keys: newNumbers()}
	g.walker.key = make([]state.Value, len(x.types))
	g.walker.found = g.found
	if len(x.types) > 1 {
		return g
	}
	tail := x.plan.tail()
	target := tail.target()
	if target != x.plan && !(all && target == tail) {
		g.byTarget = newMemo(target.t, all)
	}
	if all && tail != x.plan {
		g.byTail = newMemo(tail.t, all)
	}
	if many := x.plan.collection(); !all && many != nil {
		g.byMany = newMemo(many.t, all)
	}
	if all {
		g.prepare(tail, target)
	}
	g.walker.ahead = !all
	return g
}

// prepare fills the memos in order of ordinals, which is quicker than in order
// of need, unless there are far more records than may be needed.
func (g *gathering) prepare(tail, target *plan) {
	most := 8 * g.x.t.Len()
	if g.byTarget.on && target.t.Len() <= most {
		for o := range target.t.Ordinals() {
			g.target(target, o)
		}
	}
	if !g.byTail.on || tail.t.Len() > most {
		return
	}
	g.walker.tail = tail
	if len(tail.subs) == 0 || tail.subs[0].p != target {
		for o := range tail.t.Ordinals() {
			g.follow(o)
		}
		return
	}
	scan := tail.t.Scan(tail.subs[0].via)
	for scan.Next() {
		ordinals := scan.Ordinals()
		for i, x := range scan.Bits() {
			g.byTail.set(ordinals[i], g.target(target, referenceOf(x)))
		}
	}
}

// referenceOf returns the ordinal that a reference has in the form of
// state.Value.Bits.
func referenceOf(x uint64) state.Ordinal { return state.Ordinal(x) - 1 }

// add notes record o of the type of a plan.
func (g *gathering) add(p *plan, o state.Ordinal) {
	g.now = o
	g.stream = append(g.stream, ^int32(o))
	g.walker.walk(p, o)
}

// batch is how many collections are asked for before the first is read.
const batch = 64

// addAll notes records of the type of a plan.
func (g *gathering) addAll(p *plan, list []state.Ordinal) {
	var many *plan
	if len(g.x.types) == 1 {
		g.walker.tail = p.tail()
		many = p.collection()
	}
	if many == nil {
		for _, o := range list {
			g.add(p, o)
		}
		return
	}
	start, done := len(g.stream), 0
	for part := range slices.Chunk(list, batch) {
		if done == 16*batch { // the rest will be much like these
			g.stream = slices.Grow(g.stream, (len(g.stream)-start)*(len(list)-done)/done)
		}
		done += len(part)
		var room [batch]state.Ordinal
		for i, o := range part {
			room[i] = p.follow(many, o)
		}
		there := room[:len(part)]
		many.t.Prefetch(there)
		for i, o := range there {
			g.now = part[i]
			g.stream = append(g.stream, ^int32(g.now))
			g.repeat(many, o)
		}
	}
}

// repeat notes what a collection leads to: a record that replaces another one
// often refers to the same.
func (g *gathering) repeat(p *plan, o state.Ordinal) {
	switch {
	case !p.t.Populated(o):
		return // it may be there in the other state
	case !g.byMany.on:
		g.walker.walk(p, o)
		return
	}
	if n, ok := g.byMany.get(o); ok {
		g.stream = append(g.stream, g.stream[g.done[n].from:g.done[n].to]...)
		return
	}
	from := len(g.stream)
	g.walker.walk(p, o)
	g.byMany.set(o, int32(len(g.done)))
	g.done = append(g.done, span{from, len(g.stream)})
}

// found notes keys of the record under way: the walker's, or what records of
// tail lead to.
func (g *gathering) found(list []state.Ordinal) {
	if g.walker.tail == nil {
		g.note(g.number(g.walker.key))
		return
	}
	for _, o := range list {
		if n, ok := g.byTail.get(o); ok {
			g.note(n)
		} else {
			g.note(g.follow(o))
		}
	}
}

// note notes the number of a key, once.
func (g *gathering) note(n int32) {
	if n != noKey && g.last[n] != g.now {
		g.last[n] = g.now
		g.stream = append(g.stream, n)
	}
}

// follow returns the number of what record o of tail leads to.
func (g *gathering) follow(o state.Ordinal) int32 {
	p := g.walker.tail
	target := p.target()
	n := g.target(target, p.follow(target, o))
	g.byTail.set(o, n)
	return n
}

// target returns the number of the value in record o of a plan.
func (g *gathering) target(p *plan, o state.Ordinal) int32 {
	if !p.t.Populated(o) {
		g.walker.key[0] = state.Value{}
		return g.number(g.walker.key)
	}
	if n, ok := g.byTarget.get(o); ok {
		return n
	}
	g.walker.key[0] = p.t.Record(o).Value(p.leaves[0].field)
	n := g.number(g.walker.key)
	g.byTarget.set(o, n)
	return n
}

// number returns the number of a key.
func (g *gathering) number(key []state.Value) int32 {
	g.code = g.x.code(g.code[:0], key)
	if len(g.code) == 0 {
		return noKey
	}
	n := g.keys.of(g.code)
	if int(n) == len(g.last) {
		g.last = append(g.last, state.NoOrdinal)
	}
	return n
}

// gathered is what a gathering has found.
type gathered struct {
	g       *gathering
	numbers []headed // of keys, in their order
	records grouped
}

func (g *gathering) all() gathered {
	records := g.byKey(g.stream)
	used := slices.DeleteFunc(g.sorted(), func(n headed) bool { return len(records.of(n.number)) == 0 })
	return gathered{g, used, records}
}

func (g gathered) size() int { return len(g.numbers) }

func (g gathered) keyAt(i int, _ *[8]byte) (key []byte, head uint64) {
	n := g.numbers[i]
	return g.g.keys.list[n.number], n.head
}

func (g gathered) read(i int, c *keyChange) {
	n := g.numbers[i]
	c.key, c.head, c.change = g.g.keys.list[n.number], n.head, change{added: g.records.of(n.number)}
}

// headed is a number with the head of its key.
type headed struct {
	head   uint64
	number int32
}

// sorted returns the numbers in order of their keys.
func (g *gathering) sorted() []headed {
	list := make([]headed, len(g.keys.list))
	for n, key := range g.keys.list {
		list[n] = headed{headOf(key), int32(n)}
	}
	slices.SortFunc(list, func(a, b headed) int {
		if a.head != b.head {
			return cmp.Compare(a.head, b.head)
		}
		return bytes.Compare(g.keys.list[a.number], g.keys.list[b.number])
	})
	return list
}

// grouped holds ordinals by number of key.
type grouped struct {
	ends     []int32
	ordinals []state.Ordinal
}

func (g grouped) of(n int32) []state.Ordinal {
	start := int32(0)
	if n > 0 {
		start = g.ends[n-1]
	}
	return g.ordinals[start:g.ends[n]]
}

// group groups records by key, of which there are n; keysOf returns those of
// record i.
func group(records []state.Ordinal, n int, keysOf func(i int) []uint32) grouped {
	parts := split(len(records), max(1<<12, n/4))
	counts := make([][]int32, len(parts)) // by part of the records, then by key
	inParts(parts, func(p, from, to int) {
		counts[p] = make([]int32, n)
		for i := from; i < to; i++ {
			for _, key := range keysOf(i) {
				counts[p][key]++
			}
		}
	})
	sum := int32(0)
	for key := range n {
		for p := range counts {
			sum, counts[p][key] = sum+counts[p][key], sum
		}
	}
	ordinals := make([]state.Ordinal, sum)
	inParts(parts, func(p, from, to int) {
		ends := counts[p] // from the start of a part's to its end
		for i := from; i < to; i++ {
			for _, key := range keysOf(i) {
				ordinals[ends[key]] = records[i]
				ends[key]++
			}
		}
	})
	return grouped{counts[len(counts)-1], ordinals}
}

// byKey sorts a stream.
func (g *gathering) byKey(stream []int32) grouped {
	ends := make([]int32, len(g.keys.list)+1)
	total := 0
	for _, n := range stream {
		if n >= 0 {
			ends[n+1]++
			total++
		}
	}
	for n := 1; n < len(ends); n++ {
		ends[n] += ends[n-1]
	}
	ordinals := make([]state.Ordinal, total)
	var now state.Ordinal
	for _, n := range stream {
		if n < 0 {
			now = state.Ordinal(^n)
			continue
		}
		ordinals[ends[n]] = now
		ends[n]++ // from the start of a key to its end
	}
	return grouped{ends, ordinals}
}
