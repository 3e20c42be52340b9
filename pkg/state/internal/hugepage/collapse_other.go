//go:build !linux

package hugepage

import "syscall"

// Collapse does nothing on this system.
func (r *Ranges) Collapse() int64 { return 0 }

func collapse(uintptr) error { return syscall.ENOSYS }
