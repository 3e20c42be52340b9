// Package fuzzing is what fuzz targets of several packages share: a bound on
// the memory that reading an input takes. Only tests import it.
package fuzzing

import (
	"runtime"
	"testing"
)

// A Limit is how many bytes reading an input may allocate: Fixed, for buffers
// and tables that any input needs, and PerByte for each byte of the input.
type Limit struct{ Fixed, PerByte uint64 }

// Check runs f, which reads an input of that many bytes, and fails t if f
// allocated more than the limit, also if it was freed since. What other
// goroutines allocate meanwhile counts as f's.
func (l Limit) Check(t testing.TB, what string, input int, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	n := after.TotalAlloc - before.TotalAlloc
	if most := l.Fixed + l.PerByte*uint64(input); n > most {
		t.Errorf("%s of %d bytes allocated %d, want at most %d", what, input, n, most)
	}
}
