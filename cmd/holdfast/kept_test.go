package main

import (
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"
)

// TestKept reads a source that can be opened once: in part, then whole twice.
// No more of it is read than is asked for.
func TestKept(t *testing.T) {
	text := strings.Repeat("0123456789", 1000)
	source, opened := strings.NewReader(text), 0
	f := newKept("x", func() (io.ReadCloser, error) {
		opened++
		return io.NopCloser(iotest.OneByteReader(source)), nil
	})
	first, err := f.Open()
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(io.LimitReader(first, 15)); err != nil || string(got) != text[:15] {
		t.Errorf("the first 15 bytes are %q, error %v", got, err)
	}
	if left := source.Len(); left < len(text)-16 {
		t.Errorf("%d bytes were read for 15", len(text)-left)
	}
	for range 2 {
		again, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(again); err != nil || string(got) != text {
			t.Errorf("read again: %d bytes, error %v, want %d", len(got), err, len(text))
		}
	}
	if opened != 1 {
		t.Errorf("opened %d times", opened)
	}
}

// TestKeptSpills has only the beginning of a source in memory. The rest is in a
// file that has no name, so that nothing is left of it, whatever ends the process.
func TestKeptSpills(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("TMPDIR", dir)
	text := strings.Repeat("0123456789", 1000)
	k := &kept{name: "x", temp: namelessFile, most: 105, open: func() (io.ReadCloser, error) {
		return io.NopCloser(iotest.HalfReader(strings.NewReader(text))), nil
	}}
	for range 3 {
		r, err := k.reader()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); err != nil || string(got) != text {
			t.Errorf("read %d bytes, error %v, want %d", len(got), err, len(text))
		}
	}
	if len(k.read) != 105 || cap(k.read) > 1000 || k.rest == nil {
		t.Errorf("%d bytes are in memory, of at most 105", cap(k.read))
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("there is %v, error %v", left, err)
	}
}

// TestKeptHasNoRoom says what to do if the rest cannot be kept, and gives nothing of
// that to anybody, who could not read it again.
func TestKeptHasNoRoom(t *testing.T) {
	full := func() (*os.File, error) {
		f, err := namelessFile()
		if err == nil {
			err = f.Close() // so that nothing can be written
		}
		return f, err
	}
	none := func() (*os.File, error) { return nil, os.ErrPermission }
	for want, temp := range map[error]func() (*os.File, error){os.ErrClosed: full, os.ErrPermission: none} {
		k := &kept{name: "standard input", temp: temp, most: 10, open: func() (io.ReadCloser, error) {
			return io.NopCloser(io.MultiReader(strings.NewReader("0123456789"), strings.NewReader("more"))), nil
		}}
		for range 2 {
			r, err := k.reader()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if string(got) != "0123456789" || !errors.Is(err, want) || !strings.Contains(err.Error(), "keep standard input in ") || !strings.Contains(err.Error(), "TMPDIR") {
				t.Errorf("read %q, error %v", got, err)
			}
		}
	}
}

// TestKeptFails keeps the error of a source, too.
func TestKeptFails(t *testing.T) {
	f := newKept("x", func() (io.ReadCloser, error) {
		return io.NopCloser(io.MultiReader(strings.NewReader("some"), iotest.ErrReader(io.ErrClosedPipe))), nil
	})
	for range 2 {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := io.ReadAll(r); string(got) != "some" || !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("read %q, error %v", got, err)
		}
	}
}
