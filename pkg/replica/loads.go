package replica

import (
	"context"
	"sync"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// maxLoads bounds the old versions of a dataset that are loaded at a time.
const maxLoads = 2

// loads runs the loading of old versions beside refreshes: once per version,
// whoever asks for it, and only so many at a time. A load ends when nobody
// waits for it any more.
type loads struct {
	room chan struct{} // one for each that may run

	mu      sync.Mutex
	running map[dataset.Version]*load
}

// load is one version's. The mutex of loads guards waiters; view and err are
// set when done is closed.
type load struct {
	waiters int
	cancel  context.CancelFunc
	done    chan struct{}
	view    *View
	err     error
}

func newLoads() *loads {
	return &loads{room: make(chan struct{}, maxLoads), running: map[dataset.Version]*load{}}
}

// do returns what f returns for a version, or the error of ctx. f is run in a
// goroutine of its own; its context ends when every caller's has.
func (l *loads) do(ctx context.Context, v dataset.Version, f func(context.Context) (*View, error)) (*View, error) {
	own := l.join(ctx, v, f)
	select {
	case <-own.done:
		return own.view, own.err
	case <-ctx.Done():
		l.leave(v, own)
		return nil, ctx.Err()
	}
}

// join returns the load of a version that is under way, or starts one.
func (l *loads) join(ctx context.Context, v dataset.Version, f func(context.Context) (*View, error)) *load {
	l.mu.Lock()
	defer l.mu.Unlock()
	if own := l.running[v]; own != nil {
		own.waiters++
		return own
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	own := &load{waiters: 1, cancel: cancel, done: make(chan struct{})}
	l.running[v] = own
	go func() {
		defer cancel()
		own.view, own.err = l.run(ctx, f)
		l.forget(v, own)
		close(own.done)
	}()
	return own
}

func (l *loads) run(ctx context.Context, f func(context.Context) (*View, error)) (*View, error) {
	select {
	case l.room <- struct{}{}:
		defer func() { <-l.room }()
		return f(ctx)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// leave takes a waiter away. Whoever asks after the last one left starts anew.
func (l *loads) leave(v dataset.Version, own *load) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if own.waiters--; own.waiters > 0 {
		return
	}
	own.cancel()
	if l.running[v] == own {
		delete(l.running, v)
	}
}

func (l *loads) forget(v dataset.Version, own *load) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.running[v] == own {
		delete(l.running, v)
	}
}
