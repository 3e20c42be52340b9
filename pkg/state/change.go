package state

import "slices"

// typeChange is what leads from one version of a type to the next.
type typeChange struct {
	removed []Ordinal // ascending
	added   []Ordinal // ascending
	// load sets slot i of a page to the k'th added record.
	load func(b *pageBuilder, k, i int) error
}

// apply returns the type after the change. Pages and tables without a change
// are shared with t, which stays as it is.
func (t *Type) apply(c typeChange) (*Type, error) {
	next := *t
	next.counts = new(lazyTally)
	live := t.live.edit()
	for _, o := range c.removed {
		if !t.Populated(o) {
			continue
		}
		live.leaf(int(o) / chunkOrdinals)[int(o)%chunkOrdinals/64] &^= 1 << (uint(o) & 63)
		next.count--
	}
	pages := t.pages.edit()
	b := newPageBuilder(t.schema, t.lays)
	for k := 0; k < len(c.added); {
		n := k + 1
		for n < len(c.added) && c.added[n]>>pageShift == c.added[k]>>pageShift {
			n++
		}
		p, err := t.rewrite(b, live, c, k, n)
		if err != nil {
			return nil, err
		}
		o := int(c.added[k])
		pages.leaf(o / chunkOrdinals).pages[o>>pageShift%chunkPages] = p
		k = n
	}
	for _, o := range c.added {
		word := &live.leaf(int(o) / chunkOrdinals)[int(o)%chunkOrdinals/64]
		if *word>>(uint(o)&63)&1 == 0 {
			next.count++
		}
		*word |= 1 << (uint(o) & 63)
	}
	next.live, next.pages = live.sparse, pages.sparse
	return &next, nil
}

// rewrite makes the page that the added records k..n-1 go to.
func (t *Type) rewrite(b *pageBuilder, live *edit[liveBlock], c typeChange, k, n int) (page, error) {
	b.reset()
	first := c.added[k] &^ (pageSize - 1)
	if old := t.page(first); old.lay != nil {
		keep := Type{live: live.sparse}
		for i := range Ordinal(pageSize) {
			if keep.Populated(first + i) {
				b.copyRecord(old, int(i))
			}
		}
	}
	for ; k < n; k++ {
		if err := c.load(b, k, int(c.added[k]-first)); err != nil {
			return page{}, err
		}
	}
	return b.pack()
}

// Changes says which ordinals of each type a transition removed and added.
// Types without change are absent.
type Changes map[string]Change

// Change is the difference between two versions of one type. An ordinal is in
// at most one of the lists, both ascending.
type Change struct{ Removed, Added []Ordinal }

// ChangesBetween compares two states of one chain by ordinal.
func ChangesBetween(from, to *State) Changes {
	out := Changes{}
	for _, t := range to.types {
		var c Change
		old := from.Type(t.schema.Name)
		for o := range t.Ordinals() {
			if old == nil || !old.Populated(o) {
				c.Added = append(c.Added, o)
			}
		}
		if old != nil {
			for o := range old.Ordinals() {
				if !t.Populated(o) {
					c.Removed = append(c.Removed, o)
				}
			}
		}
		if len(c.Added)+len(c.Removed) > 0 {
			out[t.schema.Name] = c
		}
	}
	for _, t := range from.types {
		if to.Type(t.schema.Name) == nil && t.count > 0 {
			out[t.schema.Name] = Change{Removed: slices.Collect(t.Ordinals())}
		}
	}
	return out
}
