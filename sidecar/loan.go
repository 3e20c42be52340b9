package sidecar

import (
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
)

// loan is the buffer of one answer that the transport has. It counts as pending
// until the transport gives it back or recall ends it, whichever comes first.
type loan struct {
	to    *caller
	bytes atomic.Int64 // what it counts as; 0 once it is over
}

var _ mem.BufferPool = (*loan)(nil)

// newLoan is the end of what reserve began: the loan releases the n bytes.
func newLoan(to *caller, n int64) *loan {
	l := &loan{to: to}
	l.bytes.Store(n)
	return l
}

// Get implements mem.BufferPool.
func (l *loan) Get(n int) *[]byte { return buffers.Get(n) }

// Put implements mem.BufferPool: the transport is done with b.
func (l *loan) Put(b *[]byte) {
	if n := l.bytes.Swap(0); n > 0 {
		l.to.written.Add(1)
		l.to.release(n)
	}
	buffers.Put(b)
}

// recall ends the loan of a buffer that the transport may never give back. If it
// does, it counts nothing twice.
func (l *loan) recall() {
	if n := l.bytes.Swap(0); n > 0 {
		l.to.release(n)
	}
}

// send sends an answer. grpc-go forgets one that it queues behind the end of its
// stream, and does not say so. It ends the context before it queues that end, so
// the answers of calls that are alive here were queued in time: they count until
// they are given back, even if the call is cancelled then, and its frames wait
// behind others. Of the rest some were not forgotten; those are let go of as soon
// as the transport comes to the end of their stream.
func (r *raw) send(stream grpc.ServerStream) error {
	err := stream.SendMsg(r)
	if l, ok := r.pool.(*loan); ok && (err != nil || stream.Context().Err() != nil) {
		l.recall()
	}
	return err
}
