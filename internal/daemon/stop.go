package daemon

import (
	"context"
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
