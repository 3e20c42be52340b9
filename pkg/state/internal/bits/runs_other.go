//go:build !amd64 || invariants

package bits

func unpackRuns(*uint32, *run, int, *Source) {}

func span(*uint32, int) (least, most uint32) { return 0, 0 }
