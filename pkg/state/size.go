package state

import "github.com/holdfast-data/holdfast/pkg/state/internal/arena"

// Size returns the bytes that the records of s take in memory, those that it
// shares with other versions included. Indexes, page tables and what is left free in
// segments are not counted.
func (s *State) Size() int64 {
	var n int64
	for _, t := range s.types {
		n += t.blocks.Used()
	}
	return n
}

// SizeBeyond returns how many bytes of s's records are not in memory for other,
// another version of it, anyway. It looks at the tables where the two differ.
func (s *State) SizeBeyond(other *State) int64 {
	if other == nil {
		return s.Size()
	}
	var n int64
	for _, t := range s.types {
		o := other.byName[t.schema.Name]
		if o == nil {
			n += t.blocks.Used()
			continue
		}
		for i, c := range t.table {
			if same := o.table.get(i); c != same {
				n += t.sizeBeyond(c, o, same)
			}
		}
	}
	return n
}

// sizeBeyond is SizeBeyond for a chunk of t and the one of other in its place.
func (t *Type) sizeBeyond(c *chunk, other *Type, same *chunk) int64 {
	var n int64
	for i, e := range c {
		if e == 0 {
			continue
		}
		if same[i] == 0 || !arena.Same(&t.blocks, e.handle(), &other.blocks, same[i].handle()) {
			n += int64(t.pageAt(e).size())
		}
	}
	return n
}
