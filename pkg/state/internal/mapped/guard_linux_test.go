package mapped

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
)

// mapping returns a mapped file of some zeros, and the file.
func mapping(t *testing.T, n int) ([]byte, *os.File) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if err := f.Truncate(int64(n)); err != nil {
		t.Fatal(err)
	}
	data, err := syscall.Mmap(int(f.Fd()), 0, n, syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Munmap(data) })
	return data, f
}

// TestGuard reads a file that was cut where it is mapped: that fails with an error, and
// no other panic does.
func TestGuard(t *testing.T) {
	data, f := mapping(t, 1<<20)
	sum := 0
	read := func() error {
		for _, x := range data {
			sum += int(x) + 1
		}
		return nil
	}
	if err := Guard(data, read); err != nil || sum != 1<<20 {
		t.Fatalf("before it is cut: %v, after %d bytes", err, sum)
	}
	if err := f.Truncate(1 << 19); err != nil {
		t.Fatal(err)
	}
	sum = 0
	if err := Guard(data, read); !errors.Is(err, ErrFault) || sum != 1<<19 {
		t.Errorf("cut to the half: %v after %d bytes", err, sum)
	}
	if err := Guard(data, func() error { return os.ErrExist }); !errors.Is(err, os.ErrExist) {
		t.Errorf("an error became %v", err)
	}
	for name, f := range map[string]func() error{
		"a panic":              func() error { panic("mine") },
		"nil":                  func() error { var p *[1 << 30]byte; p[5] = 1; return nil },
		"a fault of others":    func() error { _ = Guard(data[:10], read); return nil },
		"an index, in the map": func() error { n := len(data); data[n] = 1; return nil },
	} {
		if !panics(func() { _ = Guard(data[:10], f) }) {
			t.Errorf("%s was taken for a fault of the file", name)
		}
	}
	runtime.KeepAlive(sum)
}

func panics(f func()) (yes bool) {
	defer func() { yes = recover() != nil }()
	f()
	return false
}
