package replica

import "context"

// Fetches bounds the blobs that the replicas of a process fetch and read at a
// time, whatever the number of datasets: one by one instead of all at once they
// need less memory, and the store is asked by fewer. Snapshots and deltas are
// bounded apart, so that no dataset waits for its news until others have loaded.
// A nil Fetches bounds nothing. It is safe for concurrent use.
type Fetches struct{ snapshots, deltas chan struct{} }

// NewFetches returns a bound of n snapshots, and as many deltas, at a time.
func NewFetches(n int) *Fetches {
	return &Fetches{make(chan struct{}, n), make(chan struct{}, n)}
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
