//go:build !amd64 || invariants

package bits

func gather(*uint64, *byte, uint64, uint64, int, uint64) {}

func turnVectors(*byte, *byte, int) {}
