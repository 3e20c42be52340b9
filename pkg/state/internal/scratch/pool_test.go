package scratch

import (
	"os"
	"runtime"
	"testing"
)

// TestPool takes buffers and frees them: nobody else has one at the same time, and
// all are given back in the end.
func TestPool(t *testing.T) {
	var p Pool
	a, b := p.Get(2<<20), p.Get(2<<20)
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
	c, d := p.Get(1<<20), p.Get(1<<19)
	if &c[0] != &a[0] || &d[0] != &b[0] || len(c) != 1<<20 || len(d) != 1<<19 {
		t.Error("freed buffers were not used again")
	}
	p.Free(c)
	p.Free(d)
	p.Free(p.Get(mostIdle + 1)) // is too large to wait, and moves nobody out
	if len(p.idle) != 2 {
		t.Errorf("%d buffers are idle, want 2", len(p.idle))
	}
	large := p.Get(mostIdle - 2<<20)
	p.Free(large) // a and b together are too much beside it
	if e := p.Get(2 << 20); runtime.GOOS == "linux" && (&e[0] == &a[0] || &e[0] != &b[0]) {
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

// TestRelease gives back a part of a buffer: what is around it stays as it was, and
// the buffer can be written and freed as before.
func TestRelease(t *testing.T) {
	var p Pool
	defer p.Close()
	b := p.Get(1 << 20)
	for i := range b {
		b[i] = byte(i%251) + 1
	}
	const from, to = 10_000, 900_001
	Release(b[from:to])
	Release(b[5:5])
	Release(b[from : from+1])
	zeros := 0
	for i, x := range b {
		switch {
		case x == byte(i%251)+1:
		case i < from || i >= to || x != 0:
			t.Fatalf("byte %d is %d", i, x)
		default:
			zeros++
		}
	}
	if page := os.Getpagesize(); runtime.GOOS == "linux" && zeros < to-from-2*page {
		t.Errorf("%d bytes were given back, of %d", zeros, to-from)
	}
	for i := range b {
		b[i] = 7
	}
	p.Free(b)
}
