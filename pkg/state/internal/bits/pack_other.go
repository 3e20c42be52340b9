//go:build !amd64 || invariants

package bits

func canPack(int) bool { return false }

func pack(*byte, int, *[ColumnLen]uint64, uint64, uint64) {}

func extent(*[ColumnLen]uint64, uint64, uint64) (low, high, odd uint64) { return 0, 0, 0 }

func packEntries(*byte, int, int, *[entryParts]*uint32, *Entry) {}
