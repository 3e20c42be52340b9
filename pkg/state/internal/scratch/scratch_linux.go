package scratch

import (
	"sync/atomic"
	"syscall"
	"unsafe"
)

const huge = 2 << 20 // bytes of a huge page

// get returns n bytes that are zero, at least least.
func get(n int) []byte {
	size := n
	if n >= huge {
		size = (n + huge - 1) &^ (huge - 1) // the system aligns whole huge pages; what is behind n is never touched
	}
	b, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return make([]byte, n)
	}
	held.Add(int64(size))
	if whole := n &^ (huge - 1); whole > 0 {
		_ = syscall.Madvise(b[:whole], syscall.MADV_HUGEPAGE) // fewer faults, if the system can
	}
	return b[:n]
}

// free gives back what get returned.
func free(b []byte) {
	if syscall.Munmap(b[:cap(b)]) == nil { // it fails for what the collector frees
		held.Add(-int64(cap(b)))
	}
}

// Release gives the memory of b back to the system before b is freed, as far as it is
// whole pages. b is a part of what Get returned; whatever is in it then, nobody may
// need it.
func Release(b []byte) {
	if len(b) == 0 {
		return
	}
	page := syscall.Getpagesize()
	skip := -int(uintptr(unsafe.Pointer(&b[0]))) & (page - 1)
	if n := (len(b) - skip) &^ (page - 1); n > 0 {
		_ = syscall.Madvise(b[skip:skip+n], syscall.MADV_DONTNEED)
	}
}

// held is how many bytes of mappings have not been given back.
var held atomic.Int64

// Held returns how many bytes have not been given back.
func Held() int64 { return held.Load() }
