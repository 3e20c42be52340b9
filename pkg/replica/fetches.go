package replica

import (
	"context"
	"sync"
)

// Fetches bounds the blobs that the replicas of a process fetch and read at a
// time, whatever the number of datasets: one by one instead of all at once they
// need less memory, and the store is asked by fewer. Snapshots and deltas are
// bounded apart, so that no dataset waits for its news until others have loaded.
// What the snapshots need that are read at a time is counted together. A nil
// Fetches bounds nothing, and counts nothing. It is safe for concurrent use.
type Fetches struct {
	snapshots, deltas chan struct{}

	mu       sync.Mutex
	reserved int64 // bytes that the snapshots need that are read
}

// NewFetches returns a bound of n snapshots, and as many deltas, at a time.
func NewFetches(n int) *Fetches {
	return &Fetches{snapshots: make(chan struct{}, n), deltas: make(chan struct{}, n)}
}

// enter waits for room, until leave or the end of ctx, whose error it returns.
func (f *Fetches) enter(ctx context.Context, k Kind) (leave func(), err error) {
	if f == nil {
		return func() {}, nil
	}
	room := f.deltas
	if k == Snapshot {
		room = f.snapshots
	}
	select {
	case room <- struct{}{}:
		return func() { <-room }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// reserve keeps the memory that a snapshot needs from others, until free is
// called: what is read is not live yet when the next one is judged. It may count
// twice then, which refuses too much rather than too little, and what was refused
// is tried again. It fails with ErrMemory.
func (f *Fetches) reserve(need int64) (free func(), err error) {
	m := readMemory()
	if f == nil {
		return func() {}, m.room(need)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	m.live += f.reserved
	if err := m.room(need); err != nil {
		return nil, err
	}
	f.reserved += need
	return func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.reserved -= need
	}, nil
}
