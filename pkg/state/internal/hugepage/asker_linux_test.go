package hugepage

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"
)

// TestAsk asks for huge pages where memory begins, ends and lies between: the
// system notes it, and the memory stays as it is.
func TestAsk(t *testing.T) {
	if _, err := os.Stat("/sys/kernel/mm/transparent_hugepage"); err != nil {
		t.Skip("this system has no huge pages to ask for")
	}
	b := make([]byte, 5*Bytes)
	for i := range b {
		b[i] = byte(i * 7)
	}
	want := bytes.Clone(b)
	var a Asker
	a.Ask(nil)
	a.Ask(b[Bytes/2 : 4*Bytes])
	a.Ask(b[Bytes : 2*Bytes]) // is known
	for _, at := range []int{Bytes / 2, 2 * Bytes, 4*Bytes - 1} {
		if flags := flagsOf(t, &b[at]); !strings.Contains(flags, " hg") {
			t.Errorf("the memory at byte %d has the flags%s, want hg among them", at, flags)
		}
	}
	if !bytes.Equal(b, want) {
		t.Error("the memory has changed")
	}
}

// flagsOf returns what the system notes about the memory at an address.
func flagsOf(t *testing.T, p *byte) string {
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	at, in := uintptr(unsafe.Pointer(p)), false
	for line := range strings.Lines(string(maps)) {
		var from, to uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x ", &from, &to); n == 2 {
			in = from <= at && at < to
		}
		if flags, ok := strings.CutPrefix(line, "VmFlags:"); ok && in {
			return flags
		}
	}
	t.Fatal("the memory is not mapped")
	return ""
}
