package hugepage

import "unsafe"

// LaySlice lays a slice that was just made, and will be written in no order, in huge
// pages, if it has at least one of its own: the system fills one with zeros at once,
// where it would be interrupted 512 times for small ones, twice each if they are read
// before they are written. The system may not have any. Its elements must not have
// pointers.
//
// It does not ask for huge pages for good, as MADV_HUGEPAGE does: what the collector
// gives back later the system could fill again.
func LaySlice[T any](s []T) {
	n := uintptr(len(s)) * unsafe.Sizeof(*new(T))
	if n < 2*Bytes {
		return
	}
	from := uintptr(unsafe.Pointer(unsafe.SliceData(s)))
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), n)
	for at := from &^ (Bytes - 1); at < from+n; at += Bytes {
		b[max(at, from)-from] = 0 // a huge page takes the place of small ones, at least one
		_ = collapse(at)          // small ones do, too
	}
}
