package hugepage

import "syscall"

// madvCollapse is MADV_COLLAPSE of Linux 6.1 and later.
const madvCollapse = 25

// Collapse asks the system to lay the memory in huge pages now, as far as it
// fills them, and returns how many bytes it did: 0 if it cannot. What the memory
// holds stays the same, for readers at the same time, too.
func (r *Ranges) Collapse() (n int64) {
	for _, s := range r.whole() {
		for at := s.from; at < s.to; at += Bytes {
			if _, _, err := syscall.Syscall(syscall.SYS_MADVISE, at, Bytes, madvCollapse); err == syscall.EINVAL {
				return n // this kernel does not know it
			} else if err == 0 {
				n += Bytes
			}
		}
	}
	return n
}
