package hugepage

import (
	"cmp"
	"slices"
	"unsafe"
)

// Bytes is the length of a huge page.
const Bytes = 2 << 20

// Ranges are ranges of memory. They keep nothing alive.
type Ranges struct{ list []span }

// span is addresses from one to before another.
type span struct{ from, to uintptr }

// Add adds the memory of b.
func (r *Ranges) Add(b []byte) {
	if len(b) > 0 {
		from := uintptr(unsafe.Pointer(unsafe.SliceData(b)))
		r.list = append(r.list, span{from, from + uintptr(len(b))})
	}
}

// whole returns the huge pages that the ranges fill, as few spans as there can
// be, in ascending order. What is in between is not ours to touch, and would
// take memory that is not in use.
func (r *Ranges) whole() []span {
	slices.SortFunc(r.list, func(a, b span) int { return cmp.Compare(a.from, b.from) })
	var joined, out []span
	for _, s := range r.list {
		if n := len(joined); n > 0 && s.from <= joined[n-1].to {
			joined[n-1].to = max(joined[n-1].to, s.to)
			continue
		}
		joined = append(joined, s)
	}
	for _, s := range joined {
		s.from = (s.from + Bytes - 1) &^ (Bytes - 1)
		if s.to &^= Bytes - 1; s.from < s.to {
			out = append(out, s)
		}
	}
	return out
}
