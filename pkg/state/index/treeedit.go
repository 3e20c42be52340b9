package index

import (
	"bytes"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/state"
)

const (
	leafFill   = 768  // bytes of a leaf when it is cut off a longer one
	leafMost   = 1024 // and at most, but for a single entry
	leafLeast  = 384  // fewer are joined to a neighbour
	listBytes  = 128  // a longer list is not kept in a leaf
	listReturn = 48   // ordinals of a long list that goes back into one
	branchMost = 64   // leaves of a branch
)

// keyChange is a change under a key.
type keyChange struct {
	key  []byte
	head uint64
	change
}

// treeEdit makes the next version of a tree in one pass from left to right.
// What has no change is shared.
type treeEdit struct {
	out  tree
	row  branch // the branch under way
	long longEdit

	// the leaf under way
	data  []byte
	longs []*long

	list, merged []state.Ordinal
	code         []byte
}

// apply returns the tree after changes with distinct keys in ascending order. It
// says false if a change removes what is not there or adds what is.
func (t *tree) apply(changes []keyChange) (tree, bool) {
	e := treeEdit{out: tree{keys: t.keys, postings: t.postings}}
	next := 0 // the first branch that is not in out
	for len(changes) > 0 {
		at, own := 0, changes
		if len(t.branches) > 0 {
			at = t.upTo(changes[0].key, changes[0].head)
			own = changes[:before(changes, t.branches[at+1:])]
			e.keep(t, next, at)
			next = at + 1
			if !e.branch(t.branches[at], own) {
				return tree{}, false
			}
		} else if !e.leaf(&leaf{}, own) {
			return tree{}, false
		}
		e.pushBranches()
		changes = changes[len(own):]
	}
	e.keep(t, next, len(t.branches))
	return e.out, true
}

// firstKey is a row's smallest key.
type firstKey interface{ first() []byte }

// before returns how many changes come before the first of the nodes, all if
// there is none.
func before[T firstKey](changes []keyChange, nodes []T) int {
	if len(nodes) == 0 {
		return len(changes)
	}
	limit := nodes[0].first()
	n, _ := slices.BinarySearchFunc(changes, limit, func(c keyChange, key []byte) int { return bytes.Compare(c.key, key) })
	return n
}

// keep takes branches over.
func (e *treeEdit) keep(t *tree, from, to int) {
	e.out.heads = append(e.out.heads, t.heads[from:to]...)
	e.out.branches = append(e.out.branches, t.branches[from:to]...)
}

// add takes leaves of another branch over.
func (b *branch) add(other *branch, from, to int) {
	b.heads = append(b.heads, other.heads[from:to]...)
	b.leaves = append(b.leaves, other.leaves[from:to]...)
}

// branch leaves in e.row what becomes of a branch.
func (e *treeEdit) branch(b *branch, changes []keyChange) bool {
	next := 0
	for len(changes) > 0 {
		at := b.upTo(changes[0].key, changes[0].head)
		own := changes[:before(changes, b.leaves[at+1:])]
		e.row.add(b, next, at)
		next = at + 1
		if !e.leaf(b.leaves[at], own) {
			return false
		}
		changes = changes[len(own):]
	}
	e.row.add(b, next, len(b.leaves))
	return true
}

// pushBranches makes branches of e.row, together with a small one in front.
func (e *treeEdit) pushBranches() {
	n := len(e.row.leaves)
	if n == 0 {
		return
	}
	if last := len(e.out.branches) - 1; last >= 0 && n+len(e.out.branches[last].leaves) <= branchMost/2 {
		before := *e.out.branches[last]
		before.add(&e.row, 0, n) // which copies: the row of a branch has no room
		e.row, n = before, len(before.leaves)
		e.out.heads, e.out.branches = e.out.heads[:last], e.out.branches[:last]
	}
	from := 0
	for parts := (n + branchMost - 1) / branchMost; parts > 0; parts-- {
		to := from + (n-from)/parts
		b := &branch{slices.Clip(slices.Clone(e.row.heads[from:to])), slices.Clip(slices.Clone(e.row.leaves[from:to]))}
		e.out.heads = append(e.out.heads, b.heads[0])
		e.out.branches = append(e.out.branches, b)
		from = to
	}
	e.row.heads, e.row.leaves = e.row.heads[:0], e.row.leaves[:0]
}

// leaf appends to e.row what becomes of a leaf.
func (e *treeEdit) leaf(l *leaf, changes []keyChange) bool {
	w := leafWalk{leaf: l}
	from, longs := 0, 0 // what is before is in e.data and e.longs
	for len(changes) > 0 {
		w.skip(changes[0].key)
		at, passed := w.at, w.longs
		e.data = append(e.data, l.data[from:at]...)
		e.longs = append(e.longs, l.long[longs:passed]...)
		old, ok := w.next()
		if ok && bytes.Equal(old.key, changes[0].key) {
			ok = e.change(old, changes[0])
		} else {
			w.at, w.longs = at, passed
			ok = e.add(changes[0])
		}
		if !ok {
			return false
		}
		from, longs = w.at, w.longs
		changes = changes[1:]
		if len(e.data) > leafMost*8 {
			e.cutLeaves()
		}
	}
	e.data = append(e.data, l.data[from:]...)
	e.longs = append(e.longs, l.long[longs:]...)
	e.cutLeaves()
	return true
}

// add makes an entry for a new key.
func (e *treeEdit) add(c keyChange) bool {
	if len(c.removed) > 0 {
		return false
	}
	e.out.keys++
	e.out.postings += len(c.added)
	e.put(c.key, c.added)
	return true
}

// put appends an entry.
func (e *treeEdit) put(key []byte, ords []state.Ordinal) {
	if len(ords) <= 8*listBytes { // or it is too long even for a bit an ordinal
		k, size := riceFor(0, ords)
		if size <= 8*listBytes {
			e.code = appendRice(e.code[:0], 0, ords, k)
			e.data = appendList(e.data, key, len(ords), k, e.code)
			return
		}
	}
	e.putLong(key, e.long.build(ords))
}

func (e *treeEdit) putLong(key []byte, l *long) {
	e.data = append(appendKey(e.data, key, 1), longMark)
	e.longs = append(e.longs, l)
}

// change makes an entry of an old one.
func (e *treeEdit) change(old entry, c keyChange) bool {
	e.out.postings += c.grows()
	p := old.postings()
	n := p.n + c.grows()
	switch {
	case n <= 0:
		e.out.keys--
	case p.long != nil && n > listReturn:
		l, ok := e.long.apply(p.long, c.change)
		if ok {
			e.putLong(c.key, l)
		}
		return ok
	case p.long == nil && n > 1:
		r := p.Cursor().r
		code, ok := c.splice(e.code[:0], r, old.size-(len(old.list)-len(p.data)))
		if e.code = code; ok && len(code) <= listBytes && goodSize(n, len(code), p.k) {
			e.data = appendList(e.data, c.key, n, p.k, code)
			return true
		}
	}
	e.list = p.appendTo(e.list[:0])
	var ok bool
	if e.merged, ok = c.merge(e.merged[:0], e.list); ok && n > 0 {
		e.put(c.key, e.merged)
	}
	return ok
}

// cutLeaves makes leaves of e.data.
func (e *treeEdit) cutLeaves() {
	w := leafWalk{leaf: &leaf{e.data, e.longs}}
	from, longs := 0, 0
	for at, passed := 0, 0; len(e.data)-from > leafMost; at, passed = w.at, w.longs {
		if _, ok := w.next(); !ok {
			break
		}
		if w.at-from > leafFill && at > from {
			e.pushLeaf(e.data[from:at], e.longs[longs:passed])
			from, longs = at, passed
		}
	}
	if from < len(e.data) {
		e.pushLeaf(e.data[from:], e.longs[longs:])
	}
	e.data = e.data[:0]
	clear(e.longs)
	e.longs = e.longs[:0]
}

// pushLeaf appends a leaf, or joins it to the one in front if that or itself is
// small.
func (e *treeEdit) pushLeaf(data []byte, longs []*long) {
	var before leaf
	if last := len(e.row.leaves) - 1; last >= 0 {
		l := e.row.leaves[last]
		if n := len(l.data) + len(data); n <= leafFill && min(len(data), len(l.data)) < leafLeast {
			before = *l
			e.row.heads, e.row.leaves = e.row.heads[:last], e.row.leaves[:last]
		}
	}
	l := &leaf{data: slices.Concat(before.data, data)}
	if len(before.long)+len(longs) > 0 {
		l.long = slices.Concat(before.long, longs)
	}
	e.row.heads = append(e.row.heads, headOf(l.first()))
	e.row.leaves = append(e.row.leaves, l)
}
