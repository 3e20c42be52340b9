//go:build !amd64 || invariants

package bits

func canPack(int) bool { return false }

func pack(*byte, int, *[ColumnLen]uint64, uint64, uint64) {}

func packEntries(*byte, int, int, *[entryParts]*uint32, *Entry) {}
