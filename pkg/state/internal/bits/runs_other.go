//go:build !amd64 || invariants

package bits

func unpackRuns(*uint32, *Run, int, *Source) {}

func compactTable(*Entries, int, *Entries, int, int, uint32) (kept int) { return 0 }

func span(*uint32, int) (least, most uint32) { return 0, 0 }
