//go:build !amd64 && !arm64

package prefetch

// Line does nothing on this processor.
func Line(*byte) {}

// Range does nothing on this processor.
func Range(*byte, int, int) {}

// Lines does nothing on this processor.
func Lines([]*[64]byte) {}

// Spans does nothing on this processor.
func Spans([]Span) {}
