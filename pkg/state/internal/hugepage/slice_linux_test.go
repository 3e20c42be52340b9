package hugepage

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"
)

// TestLaySlice lays slices of several sizes, which stay zeros. A large one is in huge
// pages, where the system can collapse pages.
func TestLaySlice(t *testing.T) {
	type pair struct {
		a uint32
		b int32
	}
	for _, n := range []int{0, 1, Bytes / 8, Bytes / 2} {
		s := make([]pair, n)
		LaySlice(s)
		for i, p := range s {
			if p != (pair{}) {
				t.Fatalf("%d pairs: number %d is %v", n, i, p)
			}
		}
	}
	s := make([]pair, 2*Bytes) // more than other tests have laid
	LaySlice(s)
	wantHuge(t, (*byte)(unsafe.Pointer(&s[len(s)/2])), 12*Bytes)
}

// wantHuge fails unless so many bytes round an address lie in huge pages, or the
// system has none to give.
func wantHuge(t *testing.T, p *byte, want int) {
	t.Helper()
	other := make([]byte, 3*Bytes)
	for i := range other {
		other[i] = 1
	}
	var r Ranges
	r.Add(other)
	if r.Collapse(t.Context()) == 0 {
		t.Log("this system collapses no pages")
	} else if n := hugeBytes(t, p); n < want {
		t.Errorf("%d bytes are in huge pages, want %d at least", n, want)
	}
}

// hugeBytes returns how much of the mapping that an address is in lies in huge
// pages.
func hugeBytes(t *testing.T, p *byte) (n int) {
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	at, in := uintptr(unsafe.Pointer(p)), false
	for line := range strings.Lines(string(maps)) {
		var from, to uintptr
		if k, _ := fmt.Sscanf(line, "%x-%x ", &from, &to); k == 2 {
			in = from <= at && at < to
		}
		if in {
			if k, _ := fmt.Sscanf(line, "AnonHugePages: %d kB", &n); k == 1 {
				return n << 10
			}
		}
	}
	t.Fatal("the memory is not mapped")
	return 0
}
