package bits

import "unsafe"

// View returns b as a string that shares its bytes, which must not change as
// long as it is in use: a string is a word shorter than a slice.
func View(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Viewed returns the bytes of a string, which must not be changed.
func Viewed(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// Signed returns numbers as signed ones, in the same memory.
func Signed(x []uint64) []int64 {
	return unsafe.Slice((*int64)(unsafe.Pointer(unsafe.SliceData(x))), len(x))
}

// bytesAt returns n bytes from the first one on.
func bytesAt(first *byte, n int) []byte { return unsafe.Slice(first, n) }
