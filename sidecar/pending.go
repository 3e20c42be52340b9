package sidecar

import (
	"math"
	"slices"
	"sync"
	"sync/atomic"
)

// backlog is the memory of the answers that wait to be sent, and of what calls
// claim, of all callers together: whoever does not read could otherwise take it
// once for each of its calls and connections.
type backlog struct {
	limit int64
	bytes atomic.Int64 // never more than limit

	waiters atomic.Int64 // in queue
	mu      sync.Mutex
	queue   []*caller // with lists that wait for room; who was given some last is last
}

// A waiter is a list that waits for room.
type waiter struct {
	n       int64         // bytes
	granted chan struct{} // is closed when they are reserved
}

// messageBytes is what the transport needs for a message that waits, beside the
// message.
const messageBytes = 256

// cost is what a message counts as: all of its buffer, of which a small one
// needs little.
func cost(b *[]byte) int64 { return int64(cap(*b)) + messageBytes }

// leastCost is what the smallest message counts as.
const leastCost = 1<<minTier + messageBytes

// fits says whether a caller may have so much more waiting. It may have as much
// as is free: one alone has half of the limit, many share, and there is always
// something left for the next one.
func (c *caller) fits(n int64) bool { return c.own()+c.backlog.bytes.Load()+2*n <= c.backlog.limit }

// own is what a caller has of the backlog.
func (c *caller) own() int64 { return max(c.pending.Load(), 0) + c.claimed.Load() }

// take counts n bytes in the backlog, if they fit.
func (c *caller) take(n int64) bool {
	for {
		all := c.backlog.bytes.Load()
		if c.own()+all+2*n > c.backlog.limit {
			return false
		}
		if c.backlog.bytes.CompareAndSwap(all, all+n) {
			return true
		}
	}
}

// claim counts n bytes that a call takes, until unclaim, if they fit.
func (c *caller) claim(n int64) bool {
	if !c.take(n) {
		return false
	}
	c.claimed.Add(n)
	return true
}

// unclaim is the end of what claim began.
func (c *caller) unclaim(n int64) {
	c.claimed.Add(-n)
	c.backlog.bytes.Add(-n)
	c.backlog.dispatch()
}

// full says whether the caller has too many answers to read.
func (c *caller) full() bool { return c != nil && !c.fits(leastCost) }

// reserve counts n bytes as waiting, until release, if they fit.
func (c *caller) reserve(n int64) bool {
	if !c.take(n) {
		return false
	}
	if c.pending.Add(n) < 0 { // it is gone, and counts no more
		c.backlog.bytes.Add(-n)
	}
	return true
}

// release is the end of what reserve began, and gives the room to who waits for
// it.
func (c *caller) release(n int64) {
	if c.pending.Add(-n) >= 0 {
		c.backlog.bytes.Add(-n)
	}
	c.backlog.dispatch()
}

// enqueue lets a list of the caller wait for n bytes.
func (c *caller) enqueue(n int64) *waiter {
	w := &waiter{n, make(chan struct{})}
	b := c.backlog
	b.mu.Lock()
	if len(c.waiting) == 0 {
		b.queue = append(b.queue, c)
	}
	c.waiting = append(c.waiting, w)
	b.waiters.Add(1)
	b.mu.Unlock()
	b.dispatch()
	return w
}

// withdraw ends the wait of a list; it says whether that had been given nothing.
func (c *caller) withdraw(w *waiter) bool {
	b := c.backlog
	b.mu.Lock()
	i := slices.Index(c.waiting, w)
	if i >= 0 {
		c.waiting = slices.Delete(c.waiting, i, i+1)
		b.waiters.Add(-1)
		if len(c.waiting) == 0 {
			b.queue = slices.DeleteFunc(b.queue, func(other *caller) bool { return other == c })
		}
	}
	b.mu.Unlock()
	b.dispatch() // the next one may need less
	return i >= 0
}

// dispatch gives room to lists that wait, in turns of their callers, whoever
// releases it: a caller that sends all the time would take it again before those
// that wait wake up. Who has nothing waiting to be sent is not passed by others,
// so that a large record comes in the end.
func (b *backlog) dispatch() {
	if b.waiters.Load() == 0 {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for i := 0; i < len(b.queue); {
		c := b.queue[i]
		w := c.waiting[0]
		if !c.reserve(w.n) {
			if c.pending.Load() == 0 {
				return
			}
			i++
			continue
		}
		close(w.granted)
		b.waiters.Add(-1)
		c.waiting = c.waiting[1:]
		b.queue = slices.Delete(b.queue, i, i+1)
		if len(c.waiting) > 0 {
			b.queue = append(b.queue, c)
		}
	}
}

// gone is far below all that can be released, so that a caller whose
// connection has ended is told from others by the sign of what is pending.
const gone = math.MinInt64 / 2

// leave gives back what waits. The transport forgets it with the connection, and
// does not always say so.
func (c *caller) leave() {
	c.backlog.bytes.Add(-c.pending.Swap(gone))
	c.backlog.dispatch()
}

// lend makes a buffer of the shared pool an answer, which is pending until the
// transport has written it, or refuses it and puts the buffer back. Many calls
// may have begun at once, so it is not enough to look before one. What is lent is
// sent with send.
func (g *gate) lend(out *raw, b *[]byte, x *claim) error {
	to := x.of
	out.answer, out.pool = b, &buffers
	x.made()
	if to == nil {
		return nil
	}
	n := cost(b)
	if !to.reserve(n) {
		buffers.Put(b)
		return g.noRoom(to, n)
	}
	out.pool = newLoan(to, n)
	return nil
}

// noRoom refuses an answer that must not wait beside what does.
func (g *gate) noRoom(to *caller, n int64) error {
	if 2*n > to.backlog.limit {
		return g.refuse(refusedByPending, errLimit, "the answer takes %d bytes of memory until it is sent, more than half of limits.max_pending_bytes", n)
	}
	return g.refuse(refusedByPending, errLimit, "the answers that are being made or not read take too much of %d bytes (limits.max_pending_bytes)", g.limits.MaxPendingBytes)
}
