//go:build !linux

package hugepage

// Collapse does nothing on this system.
func (r *Ranges) Collapse() int64 { return 0 }

// collapse does nothing on this system.
func collapse(uintptr) error { return nil }
