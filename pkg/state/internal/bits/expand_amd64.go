//go:build !invariants

package bits

import "golang.org/x/sys/cpu"

// hasVectors says whether expand and unZigZag may be called.
var hasVectors = cpu.X86.HasAVX2

// canExpand says whether expand takes columns of w bits: each number and the
// bits before it in its first byte must be in four bytes.
func canExpand(w int) bool { return hasVectors && (w <= 25 || w == 32) }

// lanes says how four numbers are taken from the bytes that they lie in, for
// each four numbers of a column: which four bytes each is in, and by how many
// bits it is shifted there.
type lanes struct {
	bytes  [ColumnLen][4]uint8
	shifts [ColumnLen]uint32
}

var lanesOf = func() (all [33]lanes) {
	for w := range all {
		for i := range ColumnLen {
			from := i / 4 * 4 * w / 8 // the first byte that is loaded
			bit := i*w - 8*from
			all[w].shifts[i] = uint32(bit % 8)
			for k := range 4 {
				all[w].bytes[i][k] = uint8(bit/8 + k)
			}
		}
	}
	return all
}()

//go:noescape
func expand(dst *[ColumnLen]uint64, src *byte, lanes *lanes, w int, e *Expansion) (nulls uint16)

// unZigZag is UnZigZag for n numbers, a multiple of four and not 0.
//
//go:noescape
func unZigZag(dst *int64, src *uint64, n int)
