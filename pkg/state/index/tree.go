package index

import (
	"bytes"
	"encoding/binary"
	"iter"
)

// tree is a sorted map from keys to lists of ordinals, which versions share. A
// leaf is a row of packed entries, a branch a row of leaves, the tree a row of
// branches; what changes is copied. Two levels are enough: a branch stands for
// some thousand keys, so the row of branches is short.
type tree struct {
	heads    []uint64 // of each branch's first key
	branches []*branch
	keys     int
	postings int
}

// branch is a row of leaves. It is never empty.
type branch struct {
	heads  []uint64 // of each leaf's first key
	leaves []leaf
}

// leaf is a row of entries in order of their keys, never empty. An entry is
//
//	uvarint  bytes of what follows
//	uvarint  length of the key, and the key
//	1 byte   k of the Rice code, times 8, plus the number of ordinals less one,
//	         if that is at most 6; longMark for one of long, in order
//	uvarint  the number less 8, if that of the byte before is 7
//	         the Rice code
type leaf struct {
	data []byte
	long []*long
}

const longMark = 31 << 3

// entry is one of a leaf. Its key and list are views.
type entry struct {
	key  []byte
	list []byte // from the byte with k on; what is behind it does no harm
	size int    // bytes of list that are the entry's
	long *long
}

// postings returns what is under the entry's key.
func (e *entry) postings() Postings {
	if e.long != nil {
		return Postings{n: e.long.n, long: e.long}
	}
	p := Postings{n: int(e.list[0]&7) + 1, k: uint(e.list[0] >> 3), data: e.list[1:]}
	if p.n == 8 {
		more, size := binary.Uvarint(p.data)
		p.n += int(more)
		p.data = p.data[size:]
	}
	return p
}

// leafWalk walks over a leaf.
type leafWalk struct {
	leaf  *leaf
	at    int
	longs int // passed
}

func (w *leafWalk) next() (e entry, ok bool) {
	data := w.leaf.data
	if w.at >= len(data) {
		return entry{}, false
	}
	size, at := uvarint(data, w.at)
	end := at + size
	n, at := uvarint(data, at)
	e = entry{key: data[at : at+n], list: data[at+n:], size: end - at - n}
	if data[at+n] == longMark {
		e.long = w.leaf.long[w.longs]
		w.longs++
	}
	w.at = end
	return e, true
}

// skip moves in front of the first entry whose key is not below a key.
func (w *leafWalk) skip(key []byte) {
	data := w.leaf.data
	for w.at < len(data) {
		size, at := uvarint(data, w.at)
		n, from := uvarint(data, at)
		if bytes.Compare(data[from:from+n], key) >= 0 {
			return
		}
		if data[from+n] == longMark {
			w.longs++
		}
		w.at = at + size
	}
}

// uvarint reads a number at a place and returns the place behind it.
func uvarint(data []byte, at int) (v, next int) {
	if b := data[at]; b < 0x80 {
		return int(b), at + 1
	}
	return longUvarint(data, at)
}

// longUvarint is for what uvarint, which is inlined, has no room for.
func longUvarint(data []byte, at int) (v, next int) {
	x, n := binary.Uvarint(data[at:])
	return int(x), at + n
}

// first returns the smallest key.
func (l *leaf) first() []byte {
	w := leafWalk{leaf: l}
	e, _ := w.next()
	return e.key
}

func (b *branch) first() []byte { return b.leaves[0].first() }

// upTo returns the branch in which a key would be.
func (t *tree) upTo(key []byte, head uint64) int {
	return lastUpTo(len(t.heads), func(i int) bool {
		return t.heads[i] < head || t.heads[i] == head && bytes.Compare(t.branches[i].first(), key) <= 0
	})
}

func (b *branch) upTo(key []byte, head uint64) int {
	return lastUpTo(len(b.heads), func(i int) bool {
		return b.heads[i] < head || b.heads[i] == head && bytes.Compare(b.leaves[i].first(), key) <= 0
	})
}

// get returns what is under a key.
func (t *tree) get(key []byte) Postings {
	p := t.seek(key)
	if e, ok := p.next(); ok && bytes.Equal(e.key, key) {
		return e.postings()
	}
	return Postings{}
}

// spot is a place between two entries of a tree.
type spot struct {
	t            *tree
	branch, leaf int
	w            leafWalk
}

// seek returns the place in front of the first key that is not below a key.
func (t *tree) seek(key []byte) spot {
	p := spot{t: t}
	if len(t.branches) == 0 {
		return p
	}
	head := headOf(key)
	p.branch = t.upTo(key, head)
	p.leaf = t.branches[p.branch].upTo(key, head)
	p.w.leaf = &t.branches[p.branch].leaves[p.leaf]
	p.w.skip(key)
	return p
}

// next returns the entry behind the place and moves behind it.
func (p *spot) next() (entry, bool) {
	if p.w.leaf == nil {
		return entry{}, false
	}
	for {
		if e, ok := p.w.next(); ok {
			return e, true
		}
		if !p.step(1) {
			return entry{}, false
		}
	}
}

// step moves to the next leaf, or with -1 to the one before, in front of its
// first entry.
func (p *spot) step(by int) bool {
	branch, leaf := p.branch, p.leaf+by
	switch {
	case leaf < 0:
		if branch--; branch < 0 {
			return false
		}
		leaf = len(p.t.branches[branch].leaves) - 1
	case leaf == len(p.t.branches[branch].leaves):
		if branch++; branch == len(p.t.branches) {
			return false
		}
		leaf = 0
	}
	p.branch, p.leaf = branch, leaf
	p.w = leafWalk{leaf: &p.t.branches[branch].leaves[leaf]}
	return true
}

// ascend yields the entries from one key up to, not including, another; a nil
// one is beyond all.
func (t *tree) ascend(from, to []byte) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		p := t.seek(from)
		for e, ok := p.next(); ok; e, ok = p.next() {
			if to != nil && bytes.Compare(e.key, to) >= 0 || !yield(e) {
				return
			}
		}
	}
}

// descend yields the same from the last to the first.
func (t *tree) descend(from, to []byte) iter.Seq[entry] {
	return func(yield func(entry) bool) {
		if len(t.branches) == 0 {
			return
		}
		p := t.end(to)
		var room [128]entry
		for {
			list := room[:0]
			w := leafWalk{leaf: p.w.leaf}
			for e, ok := w.next(); ok && (to == nil || bytes.Compare(e.key, to) < 0); e, ok = w.next() {
				list = append(list, e)
			}
			for i := len(list) - 1; i >= 0; i-- {
				if bytes.Compare(list[i].key, from) < 0 || !yield(list[i]) {
					return
				}
			}
			if !p.step(-1) {
				return
			}
		}
	}
}

// end returns the place in front of a key, or behind all.
func (t *tree) end(to []byte) spot {
	if to != nil {
		return t.seek(to)
	}
	last := len(t.branches) - 1
	p := spot{t: t, branch: last, leaf: len(t.branches[last].leaves) - 1}
	p.w.leaf = &t.branches[last].leaves[p.leaf]
	return p
}

// appendList appends an entry whose list is not long: n ordinals and their code.
func appendList(dst, key []byte, n int, k uint, code []byte) []byte {
	if n <= 7 {
		dst = appendKey(dst, key, 1+len(code))
		dst = append(dst, byte(int(k)<<3+n-1))
	} else {
		dst = appendKey(dst, key, 1+uvarintSize(n-8)+len(code))
		dst = append(dst, byte(k<<3|7))
		dst = binary.AppendUvarint(dst, uint64(n-8))
	}
	return append(dst, code...)
}

// appendKey appends an entry up to its list of n bytes.
func appendKey(dst, key []byte, n int) []byte {
	dst = binary.AppendUvarint(dst, uint64(uvarintSize(len(key))+len(key)+n))
	dst = binary.AppendUvarint(dst, uint64(len(key)))
	return append(dst, key...)
}

func uvarintSize(v int) int {
	n := 1
	for ; v >= 0x80; v >>= 7 {
		n++
	}
	return n
}
