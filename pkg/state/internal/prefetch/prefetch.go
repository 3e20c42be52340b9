//go:build amd64 || arm64

// Package prefetch asks the processor for memory that will be needed soon, so
// that several waits overlap. It changes no result.
package prefetch

// Line asks for the cache line of b.
//
//go:noescape
func Line(b *byte)
