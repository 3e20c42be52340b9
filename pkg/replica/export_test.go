package replica

// Raw says whether a view was read from a snapshot and is not settled yet.
func Raw(v *View) bool { return v.raw.Load() }
