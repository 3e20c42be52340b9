//go:build !amd64 || invariants

package bits

const hasVectors = false

func canExpand(int) bool { return false }

type lanes struct{}

var lanesOf [1]lanes

func expand(*[ColumnLen]uint64, *byte, *lanes, int, *Expansion) uint16 { return 0 }

func unZigZag(*int64, *uint64, int) {}
