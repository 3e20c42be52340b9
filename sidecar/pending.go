package sidecar

import (
	"math"
	"sync/atomic"
)

// backlog is the memory of the answers that wait to be sent, of all callers
// together: whoever does not read could otherwise take it once for each of its
// calls and connections.
type backlog struct {
	limit int64
	bytes atomic.Int64 // never more than limit
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
func (c *caller) fits(n int64) bool {
	return c.pending.Load()+c.backlog.bytes.Load()+2*n <= c.backlog.limit
}

// full says whether the caller has too many answers to read.
func (c *caller) full() bool { return c != nil && !c.fits(leastCost) }

// reserve counts n bytes as waiting, until release, if they fit.
func (c *caller) reserve(n int64) bool {
	for {
		all := c.backlog.bytes.Load()
		if c.pending.Load()+all+2*n > c.backlog.limit {
			return false
		}
		if c.backlog.bytes.CompareAndSwap(all, all+n) {
			break
		}
	}
	if c.pending.Add(n) < 0 { // it is gone, and counts no more
		c.backlog.bytes.Add(-n)
	}
	return true
}

// release is the end of what reserve began, and wakes who waits for it.
func (c *caller) release(n int64) {
	if c.pending.Add(-n) >= 0 {
		c.backlog.bytes.Add(-n)
	}
	c.wake()
}

// gone is far below all that can be released, so that a caller whose
// connection has ended is told from others by the sign of what is pending.
const gone = math.MinInt64 / 2

// leave gives back what waits. The transport forgets it with the connection, and
// does not always say so.
func (c *caller) leave() {
	c.backlog.bytes.Add(-c.pending.Swap(gone))
}

// wake lets one list of the caller see whether there is room.
func (c *caller) wake() {
	if c.waiters.Load() == 0 {
		return
	}
	select {
	case c.room <- struct{}{}:
	default:
	}
}

// Get implements mem.BufferPool.
func (c *caller) Get(n int) *[]byte { return buffers.Get(n) }

// Put implements mem.BufferPool: the transport is done with b.
func (c *caller) Put(b *[]byte) {
	c.written.Add(1)
	c.release(cost(b))
	buffers.Put(b)
}

// lend makes a buffer of the shared pool an answer, which is pending until the
// transport has written it, or refuses it and puts the buffer back. Many calls
// may have begun at once, so it is not enough to look before one.
func (g *gate) lend(out *raw, b *[]byte, to *caller) error {
	out.answer, out.pool = b, &buffers
	if to == nil {
		return nil
	}
	if n := cost(b); !to.reserve(n) {
		buffers.Put(b)
		return g.noRoom(to, n)
	}
	out.pool = to
	return nil
}

// noRoom refuses an answer that must not wait beside what does.
func (g *gate) noRoom(to *caller, n int64) error {
	if 2*n > to.backlog.limit {
		return g.refuse(refusedByPending, errLimit, "the answer takes more than half of %d bytes (limits.max_pending_bytes)", g.limits.MaxPendingBytes)
	}
	return g.refuse(refusedByPending, errLimit, "the answers that are not read take too much of %d bytes (limits.max_pending_bytes)", g.limits.MaxPendingBytes)
}
