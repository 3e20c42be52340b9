package hugepage

import "unsafe"

// An Asker asks for huge pages for memory that is about to be written for the
// first time: the system then fills one with zeros at once, where it would be
// interrupted 512 times for small ones. The zero Asker has asked for nothing. It
// is for one goroutine.
type Asker struct{ last span }

// Ask asks for the huge pages that b lies in, also where other memory is in them.
// The system may not have any; what the memory holds stays the same.
func (a *Asker) Ask(b []byte) {
	if len(b) == 0 {
		return
	}
	from := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
	s := span{from &^ (Bytes - 1), (from + uintptr(len(b)) + Bytes - 1) &^ (Bytes - 1)}
	if s.from >= a.last.from && s.to <= a.last.to {
		return
	}
	ask(s)
	a.last = s
}
