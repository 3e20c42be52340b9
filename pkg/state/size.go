package state

// Size returns the bytes that the records of s take in memory, those that it
// shares with other versions included. Indexes and tables are not counted.
func (s *State) Size() int64 { return s.SizeBeyond(nil) }

// SizeBeyond returns how many bytes s keeps in memory that other, another
// version of it, does not keep anyway.
func (s *State) SizeBeyond(other *State) int64 {
	var n int64
	for _, t := range s.types {
		var o *Type
		if other != nil {
			o = other.byName[t.schema.Name]
		}
		for i := range t.pages.leaves() {
			c, same := t.pages.get(i), (*chunk)(nil)
			if o != nil {
				same = o.pages.get(i)
			}
			if c != nil && c != same {
				n += c.sizeBeyond(same)
			}
		}
	}
	return n
}

// sizeBeyond is SizeBeyond for a chunk; other may be nil.
func (c *chunk) sizeBeyond(other *chunk) int64 {
	var n int64
	for p := range c.pages {
		data := c.pages[p].data
		if len(data) > 0 && (other == nil || len(other.pages[p].data) != len(data) || &other.pages[p].data[0] != &data[0]) {
			n += int64(len(data))
		}
	}
	return n
}
