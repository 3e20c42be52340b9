//go:build !amd64 || invariants

package bits

func concat(*byte, *[ColumnLen][]byte) {}
