//go:build !(amd64 || arm64) || invariants

package bits

import "encoding/binary"

// Page is the memory of a page, whose length its owner knows. It keeps alive
// what it lies in.
type Page struct{ data []byte }

// PageAt returns the page that begins at b[at]. Pad bytes must follow its end in
// b.
func PageAt(b []byte, at int) Page { return Page{b[at:]} }

// Segments are memory that pages lie in, by number.
type Segments struct{ list [][]byte }

// MakeSegments returns the segments in a list, the first of which is not used:
// a page there is zeros.
func MakeSegments(list [][]byte) Segments {
	all := [][]byte{zeros[:]}
	if len(list) > 0 {
		all = append(all, list[1:]...)
	}
	return Segments{all}
}

// Page returns the page that begins at a byte of segment i. Both must be there.
func (s Segments) Page(i, at uint64) Page { return Page{s.list[i][at:]} }

// Word returns the eight bytes from byte at on. It may begin on the page's last
// byte.
func (p Page) Word(at uint64) uint64 { return binary.LittleEndian.Uint64(p.data[at:]) }

// Bytes returns the bytes from one to before another. They are the page's own.
func (p Page) Bytes(from, to uint64) []byte { return p.data[from:to:to] }

// Byte returns byte at.
func (p Page) Byte(at uint64) *byte { return &p.data[at] }

// Line returns the cache line that begins at byte at.
func (p Page) Line(at uint64) *[64]byte { return (*[64]byte)(p.data[at:]) }
