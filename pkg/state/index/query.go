package index

import (
	"iter"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// A Query is a set of records of one type in one state, in ascending order of
// their ordinals. It is made of look-ups in indexes of that state, which may be
// combined; nothing is looked up before All or Len. It is immutable. The zero
// Query is empty.
type Query struct {
	t    *state.Type
	open func() cursor
}

// cursor returns the first member that is not smaller than o, or NoOrdinal.
// What it is asked for does not fall.
type cursor interface {
	Seek(o state.Ordinal) state.Ordinal
}

// In returns the records that have one of the keys, each a value for each part: of a key
// of one part In([]Value{a}, []Value{b}). None has a key that does not fit the index, and
// so all have Not of it: Check says whether one does.
func (x *Multi) In(keys ...[]state.Value) Query {
	return Query{x.t, func() cursor {
		list := make([]Postings, len(keys))
		for i, key := range keys {
			list[i] = x.Get(key...)
		}
		return unite(list)
	}}
}

// Is returns the records that have that key, as In does.
func (x *Multi) Is(key ...state.Value) Query { return x.In(key) }

// Query returns the records of a range as a set.
func (r Range) Query() Query {
	return Query{r.t, func() cursor {
		var list []Postings
		if r.tree != nil {
			for e := range r.tree.ascend(r.bounds[0], r.bounds[1]) {
				list = append(list, e.postings())
			}
		}
		return unite(list)
	}}
}

// manyLists is how many lists are not walked side by side any more.
const manyLists = 8

// unite returns what is in any of some lists.
func unite(list []Postings) cursor {
	if len(list) > manyLists {
		var all []state.Ordinal
		for _, p := range list {
			all = p.appendTo(all)
		}
		slices.Sort(all)
		return &listCursor{slices.Compact(all)}
	}
	var all union
	for _, p := range list {
		c := p.Cursor()
		all = append(all, &c)
	}
	return all
}

type listCursor struct{ rest []state.Ordinal }

func (c *listCursor) Seek(o state.Ordinal) state.Ordinal {
	n := 1 // in steps that double: what is asked for is often near
	for n < len(c.rest) && c.rest[n-1] < o {
		n *= 2
	}
	n = min(n, len(c.rest))
	at, _ := slices.BinarySearch(c.rest[n/2:n], o)
	c.rest = c.rest[n/2+at:]
	if len(c.rest) == 0 {
		return state.NoOrdinal
	}
	return c.rest[0]
}

// And returns what is in all of the queries, which are of one type; that of
// none is empty.
func And(queries ...Query) Query {
	return combine(queries, func(list []cursor) cursor { return intersection(list) })
}

// Or returns what is in any of the queries, which are of one type.
func Or(queries ...Query) Query {
	return combine(queries, func(list []cursor) cursor { return union(list) })
}

func combine(queries []Query, how func([]cursor) cursor) Query {
	i := slices.IndexFunc(queries, func(q Query) bool { return q.t != nil })
	if i < 0 {
		return Query{}
	}
	return Query{queries[i].t, func() cursor {
		list := make([]cursor, len(queries))
		for i, q := range queries {
			list[i] = q.cursor()
		}
		return how(list)
	}}
}

// Not returns the records of the query's type that are not in it. A zero Query
// has no type, so its opposite is empty, too.
func Not(q Query) Query {
	if q.t == nil {
		return Query{}
	}
	return Query{q.t, func() cursor { return &complement{t: q.t, c: q.cursor()} }}
}

// Limit returns the n records of q with the smallest ordinals.
func (q Query) Limit(n int) Query {
	return Query{q.t, func() cursor { return &limited{q.cursor(), q.nth(n)} }}
}

func (q Query) cursor() cursor {
	if q.open == nil {
		return union{}
	}
	return q.open()
}

// nth returns the n'th ordinal, or the last.
func (q Query) nth(n int) state.Ordinal {
	last := state.NoOrdinal
	if n <= 0 {
		return last
	}
	for o := range q.All() {
		last = o
		if n--; n == 0 {
			break
		}
	}
	return last
}

// All yields the ordinals in ascending order.
func (q Query) All() iter.Seq[state.Ordinal] {
	return func(yield func(state.Ordinal) bool) {
		c := q.cursor()
		for o := c.Seek(0); o != state.NoOrdinal && yield(o); {
			o = c.Seek(o + 1)
		}
	}
}

// Len counts the records, at the cost of walking over them.
func (q Query) Len() int {
	n := 0
	for range q.All() {
		n++
	}
	return n
}

type intersection []cursor

func (x intersection) Seek(o state.Ordinal) state.Ordinal {
	for agreed := 0; agreed < len(x); {
		for _, c := range x {
			next := c.Seek(o)
			if next == state.NoOrdinal {
				return next
			}
			if agreed++; next != o {
				o, agreed = next, 1
			}
			if agreed == len(x) {
				break
			}
		}
	}
	return o
}

type union []cursor

func (x union) Seek(o state.Ordinal) state.Ordinal {
	least := state.NoOrdinal
	for _, c := range x {
		if next := c.Seek(o); next != state.NoOrdinal && (least == state.NoOrdinal || next < least) {
			least = next
		}
	}
	return least
}

// complement remembers its answer, because it asks c for more than that.
type complement struct {
	t       *state.Type
	c       cursor
	now     state.Ordinal
	started bool
}

func (x *complement) Seek(o state.Ordinal) state.Ordinal {
	if x.started && (x.now >= o || x.now == state.NoOrdinal) {
		return x.now
	}
	x.started, x.now = true, state.NoOrdinal
	for last := x.t.Max(); o <= last; o++ {
		if x.t.Populated(o) && x.c.Seek(o) != o {
			x.now = o
			break
		}
	}
	return x.now
}

// limited ends behind an ordinal.
type limited struct {
	c    cursor
	last state.Ordinal
}

func (x *limited) Seek(o state.Ordinal) state.Ordinal {
	if next := x.c.Seek(o); next <= x.last {
		return next
	}
	return state.NoOrdinal
}
