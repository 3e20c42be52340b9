package daemon

import (
	"context"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// StopSignals returns a context that ends with parent, or with the first
// SIGINT or SIGTERM. A second one kills the process as usual.
func StopSignals(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(parent, syscall.SIGINT, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// EndAnyway calls end if ctx ends and the returned function is not called within
// patience: a read of a file system that does not answer heeds no context.
func EndAnyway(ctx context.Context, patience time.Duration, end func()) (ended func()) {
	done := make(chan struct{})
	go func() {
		select {
		case <-ctx.Done():
		case <-done:
			return
		}
		timer := time.NewTimer(patience)
		defer timer.Stop()
		select {
		case <-timer.C:
			end()
		case <-done:
		}
	}()
	return func() { close(done) }
}

// CatchHangups keeps SIGHUP from ending the process from now on. What it returns
// calls f for each, one at a time, until ctx ends: for those that came before it
// was called, too, once for all of them.
func CatchHangups() (follow func(ctx context.Context, f func())) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	return func(ctx context.Context, f func()) {
		defer signal.Stop(hangups)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangups:
				f()
			}
		}
	}
}

// StopGracefully calls graceful, and force if that takes longer than timeout;
// it returns when graceful has, and says whether it needed no force.
func StopGracefully(timeout time.Duration, graceful, force func()) bool {
	done := make(chan struct{})
	go func() {
		defer close(done)
		graceful()
	}()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
		force()
		<-done
		return false
	}
}
