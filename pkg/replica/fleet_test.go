//go:build !race

package replica_test

// fleetSize is the number of replicas that gossip in tests.
const fleetSize = 100
