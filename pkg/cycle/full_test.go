package cycle_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// fullStore has no space for keys that contain full, or refuses them for another reason.
type fullStore struct {
	blob.Store
	full string
	why  error
}

func (s *fullStore) Put(ctx context.Context, key string, data []byte) error {
	if s.full != "" && strings.Contains(key, s.full) {
		return fmt.Errorf("put %s: %w: %w", key, blob.ErrNotWritten, s.why)
	}
	return s.Store.Put(ctx, key, data)
}

// TestFullStore leaves nothing behind that takes the last of the space, nor, in a store
// that may not be written, files with each attempt.
func TestFullStore(t *testing.T) {
	for _, why := range []error{syscall.ENOSPC, fs.ErrPermission} {
		testFullStore(t, why)
	}
}

func testFullStore(t *testing.T, why error) {
	m, store := mapping(t, plain), &fullStore{Store: blob.NewMemory(), why: why}
	c := open(t.Context(), t, config(store, m, 1))
	run(t, c, lines(m, a1))
	for _, store.full = range []string{"/blobs/", "/versions/", "/log/"} {
		before, err := store.List(t.Context(), "")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Run(t.Context(), dataset.Lineage{}, lines(m, a2)); !errors.Is(err, why) {
			t.Errorf("%v for %s: Run = %v", why, store.full, err)
		}
		if after, err := store.List(t.Context(), ""); err != nil || len(after) != len(before) {
			t.Errorf("%v for %s: %d files, there were %d, %v", why, store.full, len(after), len(before), err)
		}
	}
	store.full = ""
	run(t, c, lines(m, a2))
	verify(t, store)
}
