package index

import (
	"bytes"
	"runtime"
	"slices"
	"sort"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/internal/prefetch"
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

	room [8]byte // for a short key
}

// keyChanges are changes with distinct keys in ascending order.
type keyChanges interface {
	size() int
	// keyAt returns the key of change i, which may be in room, and its head.
	keyAt(i int, room *[8]byte) (key []byte, head uint64)
	// read sets c to change i. It is called once for each.
	read(i int, c *keyChange)
}

// changeReader reads changes one after the other.
type changeReader struct {
	from      keyChanges
	next, end int
	ok        bool // there is one
	now       keyChange
}

func (r *changeReader) step() {
	if r.ok = r.next < r.end; r.ok {
		r.from.read(r.next, &r.now)
		r.next++
	}
}

// limit is the first key of a leaf; the zero limit is behind all keys.
type limit struct {
	head uint64
	leaf *leaf
}

func (b *branch) limit(i int) limit { return limit{b.heads[i], &b.leaves[i]} }

// above says whether a key is below the limit.
func (l limit) above(key []byte, head uint64) bool {
	return l.leaf == nil || head < l.head || head == l.head && bytes.Compare(key, l.leaf.first()) < 0
}

// treePart is branches of a tree, and the changes of what is in them.
type treePart struct {
	from, to   int
	first, end int
}

// partChanges is how many changes make a part of their own worth it.
const partChanges = 256

// parts divides a tree, several parts for each processor: they differ.
func (t *tree) parts(changes keyChanges) []treePart {
	n := changes.size()
	out := []treePart{{to: len(t.branches), end: n}}
	if runtime.GOMAXPROCS(0) == 1 {
		return out
	}
	var room [8]byte
	count := min(4*runtime.GOMAXPROCS(0), n/partChanges)
	for i := 1; i < count; i++ {
		last := &out[len(out)-1]
		key, head := changes.keyAt(n*i/count, &room)
		branch := 0
		if len(t.branches) > 0 {
			if branch = t.upTo(key, head); branch <= last.from {
				continue
			}
			key, head = t.branches[branch].first(), t.heads[branch]
		}
		first := last.first + sort.Search(n-last.first, func(k int) bool {
			var room [8]byte
			other, h := changes.keyAt(last.first+k, &room)
			return h > head || h == head && bytes.Compare(other, key) >= 0
		})
		if first == last.first {
			continue
		}
		last.to, last.end = branch, first
		out = append(out, treePart{branch, len(t.branches), first, n})
	}
	return out
}

// apply returns the tree after changes. It says false if one removes what is not
// there or adds what is.
func (t *tree) apply(changes keyChanges) (tree, bool) {
	parts := t.parts(changes)
	edits := make([]*treeEdit, len(parts)) // nil: a change was not right
	inTurns(len(parts), func(i int) {
		e := new(treeEdit) // by who writes to it: two in one cache line would be slow
		if e.part(t, changes, parts[i]) {
			edits[i] = e
		}
	})
	if slices.Contains(edits, nil) {
		return tree{}, false
	}
	out := tree{keys: t.keys, postings: t.postings}
	var jobs []longJob
	for _, e := range edits {
		out.heads = append(out.heads, e.out.heads...)
		out.branches = append(out.branches, e.out.branches...)
		out.keys += e.out.keys
		out.postings += e.out.postings
		jobs = append(jobs, e.jobs...)
	}
	return out, doAll(jobs)
}

// treeEdit makes the next version of a part of a tree in one pass from left to
// right. What has no change is shared.
type treeEdit struct {
	in   changeReader
	out  tree   // its counts are what is to be added
	row  branch // the branch under way
	long longEdit
	jobs []longJob

	// the leaf under way
	data  []byte
	longs []*long

	list, merged []state.Ordinal
	code         []byte
}

// part leaves in e.out what becomes of a part.
func (e *treeEdit) part(t *tree, changes keyChanges, p treePart) bool {
	e.in = changeReader{from: changes, next: p.first, end: p.end}
	e.in.step()
	next := p.from // the first branch that is not in out
	for e.in.ok {
		if len(t.branches) == 0 {
			if !e.leaf(&leaf{}, limit{}) {
				return false
			}
			e.pushBranches()
			break
		}
		at := t.upTo(e.in.now.key, e.in.now.head)
		end := limit{}
		if at+1 < len(t.branches) {
			end = t.branches[at+1].limit(0)
		}
		e.keep(t, next, at)
		next = at + 1
		if !e.branch(t.branches[at], end) {
			return false
		}
		e.pushBranches()
	}
	e.keep(t, next, p.to)
	return true
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

// leavesAhead is how far ahead of the leaf under way memory is asked for: with
// many changes it is soon needed.
const leavesAhead = 2

// branch leaves in e.row what becomes of a branch, whose keys end at a limit.
func (e *treeEdit) branch(b *branch, end limit) bool {
	next := 0
	for c := &e.in; c.ok && end.above(c.now.key, c.now.head); {
		at := b.upTo(c.now.key, c.now.head)
		own := end
		if at+1 < len(b.leaves) {
			own = b.limit(at + 1)
		}
		if ahead := at + leavesAhead; ahead < len(b.leaves) {
			data := b.leaves[ahead].data
			prefetch.Range(&data[0], 0, len(data))
		}
		e.row.add(b, next, at)
		next = at + 1
		if !e.leaf(&b.leaves[at], own) {
			return false
		}
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

// leaf appends to e.row what becomes of a leaf, whose keys end at a limit.
func (e *treeEdit) leaf(l *leaf, end limit) bool {
	w := leafWalk{leaf: l}
	from, longs := 0, 0 // what is before is in e.data and e.longs
	for c := &e.in.now; e.in.ok && end.above(c.key, c.head); e.in.step() {
		w.skip(c.key)
		at, passed := w.at, w.longs
		e.data = append(e.data, l.data[from:at]...)
		e.longs = append(e.longs, l.long[longs:passed]...)
		old, ok := w.next()
		if ok && bytes.Equal(old.key, c.key) {
			ok = e.change(old, c)
		} else {
			w.at, w.longs = at, passed
			ok = e.add(c)
		}
		if !ok {
			return false
		}
		from, longs = w.at, w.longs
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
func (e *treeEdit) add(c *keyChange) bool {
	if len(c.removed) > 0 {
		return false
	}
	e.out.keys++
	e.out.postings += len(c.added)
	if len(c.added) >= jobLeast {
		e.putLong(c.key, e.later(nil, c.change))
	} else {
		e.put(c.key, c.added)
	}
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
func (e *treeEdit) change(old entry, c *keyChange) bool {
	e.out.postings += c.grows()
	p := old.postings()
	n := p.n + c.grows()
	switch {
	case n <= 0:
		e.out.keys--
	case p.long != nil && n > listReturn:
		if len(c.removed)+len(c.added) >= jobLeast {
			e.putLong(c.key, e.later(p.long, c.change))
			return true
		}
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
		l := &e.row.leaves[last]
		if n := len(l.data) + len(data); n <= leafFill && min(len(data), len(l.data)) < leafLeast {
			before = *l
			e.row.heads, e.row.leaves = e.row.heads[:last], e.row.leaves[:last]
		}
	}
	l := leaf{data: slices.Concat(before.data, data)}
	if len(before.long)+len(longs) > 0 {
		l.long = slices.Concat(before.long, longs)
	}
	e.row.heads = append(e.row.heads, headOf(l.first()))
	e.row.leaves = append(e.row.leaves, l)
}
