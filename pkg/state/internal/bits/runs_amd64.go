//go:build !invariants

package bits

// runLanes says how four numbers that lie step bits apart are taken from 16 bytes,
// by step and by the bits before the first one in the first byte: which four bytes
// each is in, and by how many bits it is shifted there.
//
//nolint:unused // by the code for vectors
var runLanes = func() (all [mostStep + 1][8]struct {
	bytes  [4][4]uint8
	shifts [4]uint32
}) {
	for step := range all {
		for first := range 8 {
			for i := range 4 {
				bit := first + i*step
				all[step][first].shifts[i] = uint32(bit % 8)
				for k := range 4 {
					all[step][first].bytes[i][k] = uint8(bit/8 + k)
				}
			}
		}
	}
	return all
}()

// unpackRuns is Sources.Unpack of n runs, at least one, of sources that are all
// quick.
//
//go:noescape
func unpackRuns(dst *uint32, runs *Run, n int, sources *Source)

// compactTable is CompactTable of at least one bucket.
//
//go:noescape
func compactTable(dst *Entries, to int, table *Entries, from, n int, empty uint32) (kept int)

// packed says which of eight lanes come first if those stay of which a number has a
// bit, for all such numbers.
//
//nolint:unused // by the code for vectors
var packed = func() (all [256][8]uint8) {
	for bits := range all {
		n := 0
		for lane := range 8 {
			if bits>>lane&1 != 0 {
				all[bits][n] = uint8(lane)
				n++
			}
		}
	}
	return all
}()

// span is Span of n numbers, at least leastSpan.
//
//go:noescape
func span(list *uint32, n int) (least, most uint32)
