// Package prefetch asks the processor for memory that will be needed soon, so
// that several waits overlap. It changes no result.
package prefetch
