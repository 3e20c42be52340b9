//go:build !(amd64 || arm64) || invariants

package bits

import "encoding/binary"

// Page is the memory of a page, whose length its owner knows. It keeps alive
// what it lies in.
type Page struct{ data []byte }

// PageAt returns the page that begins at b[at]. Pad bytes must follow its end in
// b.
func PageAt(b []byte, at int) Page { return Page{b[at:]} }

// Word returns the eight bytes from byte at on. It may begin on the page's last
// byte.
func (p Page) Word(at uint64) uint64 { return binary.LittleEndian.Uint64(p.data[at:]) }

// Bytes returns the bytes from one to before another. They are the page's own.
func (p Page) Bytes(from, to uint64) []byte { return p.data[from:to:to] }

// Byte returns byte at.
func (p Page) Byte(at uint64) *byte { return &p.data[at] }

// Line returns the cache line that begins at byte at.
func (p Page) Line(at uint64) *[64]byte { return (*[64]byte)(p.data[at:]) }
