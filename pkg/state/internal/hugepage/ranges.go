package hugepage

import (
	"slices"
	"unsafe"
)

// Bytes is the length of a huge page.
const Bytes = 2 << 20

// Ranges are ranges of memory that do not overlap. They keep nothing alive.
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

// filled returns the addresses of the huge pages that the ranges fill for the
// most part, in ascending order. The rest of them takes memory, too, so it should
// be little.
func (r *Ranges) filled() (pages []uintptr) {
	const enough = Bytes * 3 / 4
	in := map[uintptr]uintptr{} // bytes, by page
	for _, s := range r.list {
		for at := s.from; at < s.to; {
			page := at &^ (Bytes - 1)
			end := min(s.to, page+Bytes)
			in[page] += end - at
			at = end
		}
	}
	for page, n := range in {
		if n >= enough {
			pages = append(pages, page)
		}
	}
	slices.Sort(pages)
	return pages
}
