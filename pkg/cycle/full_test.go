package cycle_test

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// fullStore has no space for keys that contain full.
type fullStore struct {
	blob.Store
	full string
}

func (s *fullStore) Put(ctx context.Context, key string, data []byte) error {
	if s.full != "" && strings.Contains(key, s.full) {
		return fmt.Errorf("put %s: %w: %w", key, blob.ErrNotWritten, syscall.ENOSPC)
	}
	return s.Store.Put(ctx, key, data)
}

// TestFullStore leaves nothing behind that takes the last of the space.
func TestFullStore(t *testing.T) {
	m, store := mapping(t, plain), &fullStore{Store: blob.NewMemory()}
	c := open(t.Context(), t, config(store, m, 1))
	run(t, c, lines(m, a1))
	for _, store.full = range []string{"/blobs/", "/versions/", "/log/"} {
		before, err := store.List(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Run(t.Context(), dataset.Lineage{}, lines(m, a2)); !blob.IsFull(err) {
			t.Errorf("no space for %s: Run = %v", store.full, err)
		}
		if after, err := store.List(t.Context(), ""); err != nil || len(after) != len(before) {
			t.Errorf("no space for %s: %d files, there were %d, %v", store.full, len(after), len(before), err)
		}
	}
	store.full = ""
	run(t, c, lines(m, a2))
	verify(t, store)
}
