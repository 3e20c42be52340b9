package prefetch

import "unsafe"

// Span is the bytes from one to another, of which there is at least one. They need
// not exist, and are not kept alive.
type Span struct{ first, last uintptr }

// MakeSpan returns the n bytes from b[at] on, the first of them if n is 0.
func MakeSpan(b *byte, at, n int) Span {
	first := uintptr(unsafe.Pointer(b)) + uintptr(at)
	return Span{first, first + uintptr(max(n, 1)) - 1}
}
