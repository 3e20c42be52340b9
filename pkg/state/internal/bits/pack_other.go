//go:build !amd64 || invariants

package bits

func canPack(int) bool { return false }

func pack(*byte, int, *[ColumnLen]uint64, uint64, uint64) {}

func extent(*[ColumnLen]uint64, uint64) (low, high int64, odd, ok bool) { return 0, 0, false, false }

func packEntries(*byte, int, int, *[entryParts]*uint32, *Entry) {}
