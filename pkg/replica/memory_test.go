package replica_test

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"runtime"
	"runtime/debug"
	"strings"
	"sync/atomic"
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

// TestMemoryLimitOfLoadsTogether begins loads while another one is under way, of
// which the memory has room for one: of a version that a call names, and of the
// effective one. They are refused until that one has ended.
func TestMemoryLimitOfLoadsTogether(t *testing.T) {
	memory := blob.NewMemory()
	w := newWorld(t, memory, 1)
	large := records{}
	var size int64 = 16 << 20
	for range size >> 20 {
		id := make([]byte, 1<<19)
		_, _ = rand.Read(id) // never fails
		large[hex.EncodeToString(id)] = 1
	}
	old := w.publish(large)
	w.fields = wider // no delta leads back
	w.grow(1)
	var armed atomic.Bool
	held, release := make(chan struct{}), make(chan struct{})
	store := watchedStore{memory, func(key string) func() {
		if strings.Contains(key, "/blobs/") && armed.Swap(false) {
			held <- struct{}{}
			<-release
		}
		return func() {}
	}}
	fetches := replica.NewFetches(4)
	var all []*replica.Replica
	for range 2 {
		r := open(store, func(c *replica.Config) { c.Fetches = fetches })
		refresh(t, r, w.last())
		all = append(all, r)
	}
	third := open(store, func(c *replica.Config) { c.Fetches = fetches })
	pin(t.Context(), t, memory, old)
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	before := debug.SetMemoryLimit(int64(m.HeapAlloc) + 3*size) // one needs two sizes
	t.Cleanup(func() { debug.SetMemoryLimit(before) })
	armed.Store(true)
	first := make(chan error, 1)
	go func() {
		_, err := all[0].At(t.Context(), old)
		first <- err
	}()
	<-held
	if _, err := all[1].At(t.Context(), old); !errors.Is(err, replica.ErrMemory) {
		t.Errorf("a version that a call names: %v, want ErrMemory", err)
	}
	if err := third.Refresh(t.Context()); !errors.Is(err, replica.ErrMemory) || !strings.Contains(err.Error(), "the snapshot needs about 32 MiB") {
		t.Errorf("the effective version: %v, want ErrMemory", err)
	}
	close(release)
	if err := <-first; err != nil {
		t.Errorf("the one that was first: %v", err)
	}
	debug.SetMemoryLimit(int64(m.HeapAlloc) + 6*size)
	w.check(refresh(t, third, old))
}
