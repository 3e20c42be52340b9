//go:build amd64 || arm64

package prefetch

// Line asks for the cache line of b.
//
//go:noescape
func Line(b *byte)
