//go:build !amd64 || invariants

package bits

func deal(*uint64, int, *byte, uint64, uint64, int, uint64, uint64) {}

func turnVectors(*byte, *byte, int) {}
