//go:build amd64 || arm64

package prefetch

// Line asks for the cache line of b.
//
//go:noescape
func Line(b *byte)

// Range asks for the cache lines of the bytes from b[at] on, n of them and at
// least one. They need not exist: no pointer is made to them.
//
//go:noescape
func Range(b *byte, at, n int)

// Lines asks for the cache lines that the pointers of a list lead to.
//
//go:noescape
func Lines(list []*[64]byte)

// Spans asks for the cache lines of the bytes of spans.
//
//go:noescape
func Spans(list []Span)
