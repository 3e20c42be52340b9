package hugepage

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"
)

// TestLay lays memory in huge pages piece by piece, beside memory that is in use.
// Where the system can collapse pages, it has huge ones then.
func TestLay(t *testing.T) {
	b := make([]byte, 8*Bytes)
	first := -int(uintptr(unsafe.Pointer(&b[0]))) & (Bytes - 1)
	b = b[first : first+6*Bytes]
	used, fresh := b[:Bytes+Bytes/2], b[Bytes+Bytes/2:]
	for i := range used {
		used[i] = byte(i*7) | 1
	}
	var l Layer
	l.Lay(nil)
	const piece = Bytes / 8
	for at := 0; at+piece <= len(fresh); at += piece {
		l.Lay(fresh[at : at+piece])
		for i := range fresh[at : at+piece] {
			if fresh[at+i] != 0 {
				t.Fatalf("byte %d is %d", at+i, fresh[at+i])
			}
			fresh[at+i] = 2
		}
	}
	for i := range used {
		if used[i] != byte(i*7)|1 {
			t.Fatalf("byte %d, which was in use, is %d", i, used[i])
		}
	}
	wantHuge(t, &b[2*Bytes], 4*Bytes)
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
	if r.Collapse() == 0 {
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
	s := make([]pair, 2*Bytes) // more more than other tests have laid
	LaySlice(s)
	wantHuge(t, (*byte)(unsafe.Pointer(&s[len(s)/2])), 12*Bytes)
}
