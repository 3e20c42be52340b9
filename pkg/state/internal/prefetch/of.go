package prefetch

import "unsafe"

// Of asks for the cache line in which *p begins.
func Of[T any](p *T) { Line((*byte)(unsafe.Pointer(p))) }
