//go:build !race

package sidecar

// allocations is the most that a look-up may make.
const allocations = 4
