//go:build race

package sidecar

// allocations is the most that a look-up may make: the race detector drops
// pooled buffers.
const allocations = 16
