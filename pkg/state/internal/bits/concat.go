package bits

// Concat writes values one behind the other, from the start of dst, which has room for
// them, and returns their length. They are mostly short.
func Concat(dst []byte, values *[ColumnLen][]byte) (n int) {
	for i := range values {
		n += len(values[i])
	}
	if n == 0 {
		return 0
	}
	if hasVectors {
		concat(&dst[:n][0], values)
		return n
	}
	return concatSlowly(dst, values)
}

// concatSlowly is Concat on any processor.
func concatSlowly(dst []byte, values *[ColumnLen][]byte) (n int) {
	for i := range values {
		n += copy(dst[n:], values[i])
	}
	return n
}
