package sidecar

import (
	"sync/atomic"
	"time"
)

// rate allows so many calls a second, up to a second's worth of them at once.
// It takes no lock. A nil rate allows everything.
type rate struct {
	start time.Time
	pause int64        // between two calls, in nanoseconds
	next  atomic.Int64 // when a call would come at an even pace, since start
}

// newRate returns nil for 0.
func newRate(perSecond int) *rate {
	if perSecond <= 0 {
		return nil
	}
	return &rate{start: time.Now(), pause: max(int64(time.Second)/int64(perSecond), 1)}
}

// allow counts a call at now, or refuses it.
func (r *rate) allow(now time.Time) bool {
	if r == nil {
		return true
	}
	at := int64(now.Sub(r.start))
	for {
		next := r.next.Load()
		if next-at > int64(time.Second)-r.pause {
			return false
		}
		if r.next.CompareAndSwap(next, max(next, at)+r.pause) {
			return true
		}
	}
}
