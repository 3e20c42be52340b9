package blob_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/blob"
)

// TestMap maps what a store in a directory has, and reads it to its end, whole and
// damaged. Of a store that has no files nothing can be mapped.
func TestMap(t *testing.T) {
	ctx := t.Context()
	dir, err := blob.CreateDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	content := bytes.Repeat([]byte("0123456789"), 100_000)
	ref := blob.RefOf(content)
	key := "products/blob"
	memory := blob.NewMemory()
	for _, store := range []blob.Store{dir, memory} {
		if err := store.Put(ctx, key, content); err != nil {
			t.Fatal(err)
		}
	}
	open := func(store blob.Store) io.ReadCloser {
		r, err := blob.Stream(ctx, store, key, ref)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Close() })
		return r
	}
	r := open(dir)
	data, unmap, ok := blob.Map(r)
	if !ok || !bytes.Equal(data, content) {
		t.Fatalf("%d bytes are mapped, %v", len(data), ok)
	}
	if err := blob.End(r); err != nil {
		t.Errorf("read to its end: %v", err)
	}
	if err := unmap(); err != nil {
		t.Errorf("nobody wrote to it: %v", err)
	}
	long := time.Now().Add(-time.Hour) // no clock is so coarse
	if err := os.Chtimes(dir.Path(key), long, long); err != nil {
		t.Fatal(err)
	}
	r = open(dir)
	if _, unmap, ok = blob.Map(r); !ok {
		t.Fatal("it was not mapped again")
	}
	if _, _, ok := blob.Map(open(memory)); ok {
		t.Error("what is no file was mapped")
	}
	if _, _, ok := blob.Map(io.NopCloser(bytes.NewReader(content))); ok {
		t.Error("what is of no store was mapped")
	}
	if err := os.Chmod(dir.Path(key), 0o600); err != nil {
		t.Fatal(err)
	}
	content[500_000] ^= 1
	if err := os.WriteFile(dir.Path(key), content, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := unmap(); !errors.Is(err, blob.ErrDigest) {
		t.Errorf("written to while it was mapped: %v", err)
	}
	if err := blob.End(open(dir)); !errors.Is(err, blob.ErrDigest) {
		t.Errorf("damaged: %v", err)
	}
}
