package bits

// ExpandSlowly is Expand as processors without vectors do it.
func (p Page) ExpandSlowly(dst *[ColumnLen]uint64, at uint64, w int, e *Expansion) uint16 {
	return p.expandSlowly(dst, at, w, e)
}
