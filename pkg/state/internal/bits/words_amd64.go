//go:build !invariants

package bits

// deal is Words.Deal of n numbers, at least one, of at most 57 bits, each to as many bytes
// behind the one before. The first is at bit pos behind src.
//
//go:noescape
func deal(dst *uint64, each int, src *byte, pos, step uint64, n int, mask, add uint64)

// turnVectors is turn of n bytes, a multiple of 32 and at least 32. It asks for the n bytes
// behind those of src, too, which are mostly turned next.
//
//go:noescape
func turnVectors(dst, src *byte, n int)
