package hugepage

import "unsafe"

// A Layer lays memory that is about to be written for the first time in huge pages:
// the system fills one with zeros at once, where it would be interrupted 512 times
// for small ones. It does not ask for huge pages for good, as MADV_HUGEPAGE does: what
// the collector gives back later the system could fill again. The zero Layer has laid
// nothing. It is for one goroutine.
type Layer struct{ last span }

// Lay lays zeros that nobody uses yet, and what else is in their huge pages. The
// system may not have any; what the memory holds stays the same.
func (l *Layer) Lay(b []byte) {
	if len(b) == 0 {
		return
	}
	from := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	s := span{from &^ (Bytes - 1), (from + uintptr(len(b)) + Bytes - 1) &^ (Bytes - 1)}
	for at := s.from; at < s.to; at += Bytes {
		if at >= l.last.from && at < l.last.to {
			continue
		}
		b[max(at, from)-from] = 0 // a huge page takes the place of small ones, at least one
		_ = collapse(at)          // small ones do, too
	}
	l.last = s
}

// LaySlice lays a slice that was just made and will be written in no order, if it
// has at least a huge page of its own. Its elements must not have pointers.
func LaySlice[T any](s []T) {
	if n := len(s) * int(unsafe.Sizeof(*new(T))); n >= 2*Bytes {
		var l Layer
		l.Lay(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), n))
	}
}
