package hugepage

import "syscall"

// madvCollapse is MADV_COLLAPSE of Linux 6.1 and later.
const madvCollapse = 25

// Collapse asks the system to lay the memory in huge pages now, where it fills
// them for the most part, and returns how many bytes it did: 0 if it cannot. What
// the memory holds stays the same, for readers at the same time, too.
func (r *Ranges) Collapse() (n int64) {
	for _, at := range r.filled() {
		switch _, _, err := syscall.Syscall(syscall.SYS_MADVISE, at, Bytes, madvCollapse); err {
		case 0:
			n += Bytes
		case syscall.ENOMEM, syscall.EAGAIN: // no huge page is free: one may be later
		default:
			return n // this kernel, or this memory, has none
		}
	}
	return n
}

// ask asks for huge pages at the addresses, as far as memory is mapped there.
func ask(s span) {
	for at := s.from; at < s.to; at += Bytes {
		_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, at, Bytes, syscall.MADV_HUGEPAGE) // small ones do, too
	}
}
