package replica_test

import (
	"errors"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// TestMemoryLimit loads nothing that does not fit, keeps what is there, and
// loads it once there is room.
func TestMemoryLimit(t *testing.T) {
	w := newWorld(t, blob.NewMemory(), 10)
	w.grow(1)
	r := open(w.store, nil)
	runtime.GC()                            // what is live is what a collection has found
	before := debug.SetMemoryLimit(1 << 20) // less than any process takes
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	err := r.Refresh(t.Context())
	if !errors.Is(err, replica.ErrMemory) || !strings.Contains(err.Error(), "GOMEMLIMIT") {
		t.Fatalf("Refresh = %v, want ErrMemory", err)
	}
	debug.SetMemoryLimit(before)
	w.check(refresh(t, r, w.last()))
	w.grow(1)
	debug.SetMemoryLimit(1 << 20)
	w.check(refresh(t, r, w.last())) // a delta takes no room to speak of
}
