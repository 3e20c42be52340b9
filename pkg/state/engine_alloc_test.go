// The race detector allocates itself.

//go:build !race

package state_test

import "testing"

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

func TestScanAllocatesNothing(t *testing.T) {
	c := engine(t)
	movie := c.state.Type("Movie")
	year := movie.Schema().FieldIndex("year")
	if n := testing.AllocsPerRun(10, func() { scan(movie, year) }); n != 0 {
		t.Errorf("%v allocations a scan, want 0", n)
	}
}
