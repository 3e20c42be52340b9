package scratch

import (
	"sync/atomic"
	"syscall"
)

const (
	// least is how many bytes are worth a mapping of their own.
	least = 64 << 10
	huge  = 2 << 20
)

// get returns n bytes that are zero.
func get(n int) []byte {
	if n < least {
		return make([]byte, n)
	}
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return make([]byte, n)
	}
	held.Add(int64(n))
	if n >= 2*huge {
		_ = syscall.Madvise(b, syscall.MADV_HUGEPAGE) // fewer faults, if the system can
	}
	return b
}

// free gives back what get returned.
func free(b []byte) {
	b = b[:cap(b)]
	if len(b) >= least && syscall.Munmap(b) == nil { // it fails for what the collector frees
		held.Add(-int64(len(b)))
	}
}

// held is how many bytes of mappings have not been given back.
var held atomic.Int64

// Held returns how many bytes have not been given back.
func Held() int64 { return held.Load() }
