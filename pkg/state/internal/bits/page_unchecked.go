//go:build (amd64 || arm64) && !invariants

package bits

import "unsafe"

// Page is the memory of a page, whose length its owner knows. It keeps alive
// what it lies in. Nothing checks where one reads: a look-up takes a dozen reads,
// and the checks took longer than the reads. With -tags invariants, and on other
// processors than these, which are little-endian and read words anywhere, Page
// is a slice.
type Page struct{ start unsafe.Pointer }

// PageAt returns the page that begins at b[at]. Pad bytes must follow its end in
// b.
func PageAt(b []byte, at int) Page {
	return Page{unsafe.Add(unsafe.Pointer(unsafe.SliceData(b)), at)}
}

// Segments are memory that pages lie in, by number.
type Segments struct{ first unsafe.Pointer }

// MakeSegments returns the segments in a list, the first of which is not used:
// a page there is zeros.
func MakeSegments(list [][]byte) Segments {
	starts := make([]unsafe.Pointer, max(len(list), 1))
	for i, seg := range list {
		starts[i] = unsafe.Pointer(unsafe.SliceData(seg))
	}
	starts[0] = unsafe.Pointer(&zeros)
	return Segments{unsafe.Pointer(unsafe.SliceData(starts))}
}

// Page returns the page that begins at a byte of segment i. Both must be there.
func (s Segments) Page(i, at uint64) Page {
	return Page{unsafe.Add(*(*unsafe.Pointer)(unsafe.Add(s.first, i*8)), at)}
}

// Word returns the eight bytes from byte at on. It may begin on the page's last
// byte.
func (p Page) Word(at uint64) uint64 {
	return *(*uint64)(unsafe.Add(p.start, at))
}

// Bytes returns the bytes from one to before another. They are the page's own.
func (p Page) Bytes(from, to uint64) []byte {
	return unsafe.Slice((*byte)(unsafe.Add(p.start, from)), to-from)
}

// Byte returns byte at.
func (p Page) Byte(at uint64) *byte { return (*byte)(unsafe.Add(p.start, at)) }

// Line returns the cache line that begins at byte at.
func (p Page) Line(at uint64) *[64]byte {
	return (*[64]byte)(unsafe.Add(p.start, at))
}
