//go:build !invariants

package bits

// concat is Concat.
//
//go:noescape
func concat(dst *byte, values *[ColumnLen][]byte)
