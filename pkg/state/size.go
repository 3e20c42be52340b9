package state

// Size returns the bytes that the records of s take in memory, those that it
// shares with other versions included. Indexes and tables are not counted.
func (s *State) Size() int64 {
	var n int64
	for _, t := range s.types {
		for i := range t.pages.leaves() {
			c := t.pages.get(i)
			if c == nil {
				continue
			}
			for p := range c.pages {
				n += int64(len(c.pages[p].data))
			}
		}
	}
	return n
}
