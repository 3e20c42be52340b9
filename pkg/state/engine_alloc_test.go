// The race detector allocates itself.

//go:build !race

package state_test

import (
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
)

func TestLookUpsAllocateNothing(t *testing.T) {
	c := engine(t)
	for name, f := range c.lookUps() {
		f(c.keys[0]) // a buffer grows once
		i := 0
		if n := testing.AllocsPerRun(1000, func() { i++; f(c.keys[i]) }); n != 0 {
			t.Errorf("%s: %v allocations a look-up, want 0", name, n)
		}
	}
}

// TestBatchAllocatesNothing holds it for look-ups of several keys at a time.
func TestBatchAllocatesNothing(t *testing.T) {
	c := engine(t)
	schema := c.state.Type("Movie").Schema()
	year, title := schema.FieldIndex("year"), schema.FieldIndex("title")
	var found [16]state.Record
	for _, fields := range [][]int{nil, {year}, {year, title}} {
		if n := testing.AllocsPerRun(100, func() { c.index.Longs(found[:], c.keys[:len(found)], fields...) }); n != 0 {
			t.Errorf("fields %v: %v allocations, want 0", fields, n)
		}
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	c := engine(t)
	movie := c.state.Type("Movie")
	year := movie.Schema().FieldIndex("year")
	if n := testing.AllocsPerRun(10, func() { scans["records"](movie, year) }); n != 0 {
		t.Errorf("%v allocations a scan, want 0", n)
	}
}

// TestScannerAllocatesNothing holds that a Scanner is all that a scan takes.
func TestScannerAllocatesNothing(t *testing.T) {
	typ := scanned(t).Type("T")
	for f, field := range typ.Schema().Fields {
		if field.Type == state.String || field.Type == state.Bytes {
			continue
		}
		s := typ.Scan(f)
		s.Next()
		more := true
		n := testing.AllocsPerRun(5, func() {
			more = more && s.Next()
			s.Ordinals()
			s.Bits()
			s.Longs()
			s.Doubles()
		})
		if !more {
			t.Fatalf("%s has too few records", field.Name)
		}
		if n != 0 {
			t.Errorf("%s: %v allocations", field.Name, n)
		}
	}
}

// TestAppendAllocatesNothing holds it for slices that have room.
func TestAppendAllocatesNothing(t *testing.T) {
	s := scanned(t)
	elements, entries := make([]state.Ordinal, 0, 100), make([]state.Entry, 0, 100)
	for _, name := range []string{"L", "S", "M"} {
		typ := s.Type(name)
		n := testing.AllocsPerRun(1, func() {
			for o := range typ.Max() + 1 {
				if !typ.Populated(o) {
					continue
				}
				elements = typ.Record(o).AppendElements(elements[:0])
				typ.Prefetch(elements)
				if name == "M" {
					entries = typ.Record(o).AppendEntries(entries[:0])
				}
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
}
