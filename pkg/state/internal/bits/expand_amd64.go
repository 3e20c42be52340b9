//go:build !invariants

package bits

import "golang.org/x/sys/cpu"

// hasVectors says whether expand and its kin may be called. Of processors with AVX2 all
// have the rest, but a virtual machine may hide some of it.
var hasVectors = cpu.X86.HasAVX2 && cpu.X86.HasBMI2 && cpu.X86.HasPOPCNT

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

var lanesOf = func() (all [33]lanes) { // expandColumns knows how long one is
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

// slots is the first numbers of slots, by which slopes are multiplied.
//
//nolint:unused // by the code for vectors
var slots = [4]uint64{0, 1, 2, 3}

//go:noescape
func expand(dst *[ColumnLen]uint64, src *byte, lanes *lanes, w int, e *Expansion)

// expandColumns is ExpandColumns for n pages, at least one, with columns of widths
// that canExpand.
//
//go:noescape
func expandColumns(dst *uint64, nulls *uint16, pages *Page, columns **Column, n int, null uint64, signed bool)

// prefetchColumns is Prefetch for n pages, at least one.
//
//go:noescape
func prefetchColumns(pages *Page, columns **Column, n int)
