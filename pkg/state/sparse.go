package state

// midSize is the number of leaves under one middle node of a sparse array.
const midSize = 256

// sparse is an array of pointers to leaves in two levels, shared between
// versions and copied on write. A missing leaf is nil. The zero sparse is
// empty.
type sparse[T any] struct {
	mids []*[midSize]*T
}

// get returns the i'th leaf or nil.
func (s *sparse[T]) get(i int) *T {
	if i>>8 >= len(s.mids) || s.mids[i>>8] == nil {
		return nil
	}
	return s.mids[i>>8][i&(midSize-1)]
}

// leaves returns the number of leaves that may be present.
func (s *sparse[T]) leaves() int { return len(s.mids) * midSize }

// An edit is a sparse array under construction: each node is copied at most
// once, on the first write to it.
type edit[T any] struct {
	sparse[T]
	ownMid  map[int]bool
	ownLeaf map[int]bool
}

// edit returns a copy of s that can be written without touching s.
func (s *sparse[T]) edit() *edit[T] {
	return &edit[T]{
		sparse:  sparse[T]{append([]*[midSize]*T(nil), s.mids...)},
		ownMid:  map[int]bool{},
		ownLeaf: map[int]bool{},
	}
}

// leaf returns the i'th leaf for writing, making or copying it if need be.
func (e *edit[T]) leaf(i int) *T {
	if e.ownLeaf[i] {
		return e.get(i)
	}
	m := i >> 8
	for len(e.mids) <= m {
		e.mids = append(e.mids, nil)
	}
	if !e.ownMid[m] {
		mid := new([midSize]*T)
		if e.mids[m] != nil {
			*mid = *e.mids[m]
		}
		e.mids[m] = mid
		e.ownMid[m] = true
	}
	leaf := new(T)
	if old := e.mids[m][i&(midSize-1)]; old != nil {
		*leaf = *old
	}
	e.mids[m][i&(midSize-1)] = leaf
	e.ownLeaf[i] = true
	return leaf
}
