//go:build !linux

package hugepage

import "context"

// Collapse does nothing on this system.
func (r *Ranges) Collapse(context.Context) int64 { return 0 }

// collapse does nothing on this system.
func collapse(uintptr) error { return nil }
