package faults

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// times is a Store that notes when an entry of the log came to be there.
type times struct {
	blob.Store
	mu sync.Mutex
	at map[string]time.Time // by key
}

// Put implements blob.Store.
func (t *times) Put(ctx context.Context, key string, data []byte) error {
	t.mu.Lock() // one at a time, so that what is there has a time
	defer t.mu.Unlock()
	err := t.Store.Put(ctx, key, data)
	if err == nil && strings.Contains(key, "/log/") {
		t.at[key] = time.Now()
	}
	return err
}

// of returns when a position of the log was written; false if it is not.
func (t *times) of(position int64) (time.Time, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, ok := t.at[blob.LogKey(items, position)]
	return at, ok
}

// stood says whether consumers were to stand at d at some time from begin to
// end.
func (s *Scenario) stood(d dataset.Digest, begin, end time.Time) bool {
	for _, p := range s.truth.effective[d] {
		from, ok := s.times.of(p)
		to, moved := s.times.of(p + 1)
		if ok && !from.After(end) && (!moved || !to.Before(begin)) {
			return true
		}
	}
	return false
}
