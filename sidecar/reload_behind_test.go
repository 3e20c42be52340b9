package sidecar

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// heldStore holds up the next blob that is read while it is armed.
type heldStore struct {
	blob.Store
	armed atomic.Bool
	held  chan chan struct{} // gets one for each, to be closed
}

func (s *heldStore) Get(ctx context.Context, key string) ([]byte, error) {
	if strings.Contains(key, "/blobs/") && s.armed.Swap(false) {
		release := make(chan struct{})
		s.held <- release
		<-release
	}
	return s.Store.Get(ctx, key)
}

// next waits until a blob is held up.
func (s *heldStore) next(t *testing.T) (release chan struct{}) {
	t.Helper()
	select {
	case release = <-s.held:
	case <-time.After(10 * time.Second):
		t.Fatal("no blob was read")
	}
	return release
}

// TestReloadTakesNobodyBack declares a dataset otherwise, whose loading takes until
// later versions are served: it is served when it has those, too.
func TestReloadTakesNobodyBack(t *testing.T) {
	dir := newStore(t)
	store := &heldStore{Store: dir, held: make(chan chan struct{})}
	p := newProducer(t, dir, "usage", usageProto)
	p.publish(usage(3, 1)...)
	cfg := testConfig(dir, "usage")
	s := startWith(t, cfg, Options{World: &World{Store: func(context.Context, string) (blob.Store, error) { return store, nil }}})
	untilReady(t, s)
	old := s.Replica("usage")
	cfg.Datasets[0].LeaveOut = []string{"Usage.shares"}
	cfg.Datasets[0].Store += "/." // it is the same one
	store.armed.Store(true)
	if err := s.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	first := store.next(t) // the new one's snapshot
	var last dataset.Version
	for i := range 3 {
		last = p.publish(usage(3, 2+i)...)
		untilVersion(t, s, "usage", last)
	}
	store.armed.Store(true)
	close(first)
	second := store.next(t) // it has its first view, and reads on
	next := s.declared.get()["usage"]
	if next.replica == old || next.replica.Current() == nil {
		t.Fatal("the new one has no view yet")
	}
	if s.exchange("usage", next) || s.Replica("usage") != old {
		t.Errorf("version %s is served, after %s was", s.Replica("usage").Current().Version(), last)
	}
	close(second)
	until(t, "the new declaration", func() bool { return s.Replica("usage") != old })
	if got := s.Replica("usage").Current().Version(); got < last {
		t.Errorf("version %s is served, after %s was", got, last)
	}
}
