//go:build race

package replica_test

// fleetSize is smaller under the race detector, which is ten times slower.
const fleetSize = 20
