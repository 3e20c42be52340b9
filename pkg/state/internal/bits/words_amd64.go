//go:build !invariants

package bits

// gather is Words.Gather of n rows that follow each other, at least one, of numbers of
// at most 57 bits. The first number is at bit pos behind src.
//
//go:noescape
func gather(dst *uint64, src *byte, pos, step uint64, n int, mask uint64)

// turnVectors is turn of n bytes, a multiple of 32 and at least 32. It asks for the n bytes
// behind those of src, too, which are mostly turned next.
//
//go:noescape
func turnVectors(dst, src *byte, n int)
