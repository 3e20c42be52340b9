package main

import (
	"errors"
	"io"
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
