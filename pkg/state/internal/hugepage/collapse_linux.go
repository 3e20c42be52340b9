package hugepage

import (
	"errors"
	"syscall"
)

// madvCollapse is MADV_COLLAPSE of Linux 6.1 and later.
const madvCollapse = 25

// Collapse asks the system to lay the memory in huge pages now, where it fills
// them for the most part, and returns how many bytes it did: 0 if it cannot. What
// the memory holds stays the same, for readers at the same time, too.
func (r *Ranges) Collapse() (n int64) {
	for _, at := range r.filled() {
		switch err := collapse(at); {
		case err == nil:
			n += Bytes
		case errors.Is(err, syscall.ENOMEM), errors.Is(err, syscall.EAGAIN): // no huge page is free: one may be later
		default:
			return n // this kernel, or this memory, has none
		}
	}
	return n
}

// collapse lays one in a huge page.
func collapse(page uintptr) error {
	if _, _, err := syscall.Syscall(syscall.SYS_MADVISE, page, Bytes, madvCollapse); err != 0 {
		return err
	}
	return nil
}
