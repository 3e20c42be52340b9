package hugepage

import (
	"context"
	"syscall"
)

// madvCollapse is MADV_COLLAPSE of Linux 6.1 and later.
const madvCollapse = 25

// Collapse asks the system to lay the memory in huge pages now, where it fills
// them for the most part, and returns how many bytes it did before ctx ended: 0 if it
// cannot. What the memory holds stays the same, for readers at the same time, too.
func (r *Ranges) Collapse(ctx context.Context) (n int64) {
	for _, at := range r.filled() {
		if ctx.Err() != nil {
			break
		}
		switch err := collapse(at); err {
		case 0:
			n += Bytes
		case syscall.ENOMEM, syscall.EAGAIN: // no huge page is free: one may be later
		default:
			return n // this kernel, or this memory, has none
		}
	}
	return n
}

// collapse is Collapse of the huge page at an address.
func collapse(at uintptr) syscall.Errno {
	_, _, err := syscall.Syscall(syscall.SYS_MADVISE, at, Bytes, madvCollapse)
	return err
}
