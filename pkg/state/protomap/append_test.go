// Under the race detector a sync.Pool forgets at random.

//go:build !race

package protomap

import (
	"testing"
)

// TestAppendAllocates holds Append to no allocation, whatever a record has.
func TestAppendAllocates(t *testing.T) {
	m := rich(t)
	msg, err := m.ParseJSON([]byte(richRecord))
	if err != nil {
		t.Fatal(err)
	}
	records, err := build(m, msg)
	if err != nil {
		t.Fatal(err)
	}
	var b []byte
	if got := testing.AllocsPerRun(100, func() {
		if b, err = m.Append(b[:0], records[0]); err != nil {
			t.Fatal(err)
		}
	}); got > 0 {
		t.Errorf("%v allocations for a record of %d bytes", got, len(b))
	}
}
