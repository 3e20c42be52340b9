package scratch

import (
	"runtime"
	"testing"
)

// TestPool takes buffers and frees them: nobody else has one at the same time, and
// all are given back in the end.
func TestPool(t *testing.T) {
	var p Pool
	a, b := p.Get(1<<20), p.Get(1<<20)
	for i := range a {
		a[i] = 1
	}
	for i := range b {
		b[i] = 2
	}
	if a[0] != 1 || a[len(a)-1] != 1 {
		t.Fatal("two have the same buffer")
	}
	p.Free(a)
	p.Free(b)
	if c := p.Get(1 << 10); len(c) != 1<<10 || &c[0] == &a[0] || &c[0] == &b[0] {
		t.Error("a small buffer takes a large one's place")
	}
	c, d := p.Get(1<<19), p.Get(1<<18)
	if &c[0] != &a[0] || &d[0] != &b[0] || len(c) != 1<<19 || len(d) != 1<<18 {
		t.Error("freed buffers were not used again")
	}
	p.Free(c)
	p.Free(d)
	p.Free(p.Get(mostIdle + 1)) // is too large to wait, and moves nobody out
	if len(p.idle) != 2 {
		t.Errorf("%d buffers are idle, want 2", len(p.idle))
	}
	large := p.Get(mostIdle - 1<<20)
	p.Free(large) // a and b together are too much beside it
	if e := p.Get(1 << 20); runtime.GOOS == "linux" && (&e[0] == &a[0] || &e[0] != &b[0]) {
		t.Error("not what was freed first was given back first")
	}
	p.Free(b)
	for range 100 {
		p.Free(p.Get(least - 1))
		p.Free(p.Get(0))
	}
	if len(p.idle) > 2 {
		t.Errorf("%d buffers are idle, also small ones", len(p.idle))
	}
	last := p.Get(1 << 20)
	p.Close()
	p.Free(last)
	if n := Held(); n != 0 {
		t.Errorf("%d bytes are held", n)
	}
}
