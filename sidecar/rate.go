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

// allow counts a call at now that is worth n of them, at most a second's, or
// refuses it.
func (r *rate) allow(now time.Time, n int64) bool {
	if r == nil {
		return true
	}
	at, worth := max(int64(now.Sub(r.start)), 0), max(min(n*r.pause, int64(time.Second)/r.pause*r.pause), r.pause)
	for {
		next := r.next.Load()
		if max(next, at)+worth-at > int64(time.Second) {
			return false
		}
		if r.next.CompareAndSwap(next, max(next, at)+worth) {
			return true
		}
	}
}

// idle says whether no call of the last second counts any more at now.
func (r *rate) idle(now time.Time) bool {
	return r == nil || r.next.Load() <= int64(now.Sub(r.start))
}
