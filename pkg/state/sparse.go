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

// mid returns the m'th middle node or nil.
func (s *sparse[T]) mid(m int) *[midSize]*T {
	if m >= len(s.mids) {
		return nil
	}
	return s.mids[m]
}

// An edit is a sparse array under construction: each node is copied at most
// once, on the first write to it.
type edit[T any] struct {
	sparse[T]
	own []*[midSize / 64]uint64 // per middle node: which leaves are copies; nil if it is none itself
}

// edit returns a copy of s that can be written without touching s.
func (s *sparse[T]) edit() *edit[T] {
	return &edit[T]{
		sparse: sparse[T]{append([]*[midSize]*T(nil), s.mids...)},
		own:    make([]*[midSize / 64]uint64, len(s.mids)),
	}
}

// leaf returns the i'th leaf for writing, making or copying it if need be.
func (e *edit[T]) leaf(i int) *T {
	m, k := i/midSize, i%midSize
	for len(e.mids) <= m {
		e.mids, e.own = append(e.mids, nil), append(e.own, nil)
	}
	if e.own[m] == nil {
		mid := new([midSize]*T)
		if e.mids[m] != nil {
			*mid = *e.mids[m]
		}
		e.mids[m], e.own[m] = mid, new([midSize / 64]uint64)
	}
	word, bit := &e.own[m][k/64], uint64(1)<<(k%64)
	if *word&bit == 0 {
		leaf := new(T)
		if old := e.mids[m][k]; old != nil {
			*leaf = *old
		}
		e.mids[m][k] = leaf
		*word |= bit
	}
	return e.mids[m][k]
}
