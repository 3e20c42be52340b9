package bits

// ExpandSlowly is Expand as processors without vectors do it.
func (p Page) ExpandSlowly(dst *[ColumnLen]uint64, at uint64, w int, e *Expansion) {
	p.expandSlowly(dst, at, w, e)
}

// ExpandColumnSlowly is ExpandColumns of a page as processors without vectors do
// it.
func ExpandColumnSlowly(dst *[ColumnLen]uint64, p Page, c *Column, null uint64, signed bool) uint16 {
	return expandColumnSlowly(dst, p, c, null, signed)
}
