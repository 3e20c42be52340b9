package sidecar

import (
	"errors"
	"math"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"

	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// streamWindow is about how much one list may have waiting, so that a few that
// are not read leave room beside them. The transport's own window counts only
// bytes on the wire, of which a small record has a hundredth of its memory.
const streamWindow = 256 << 10

// outbox sends the records of a list. It waits while there is no room. Whoever
// made it closes it.
type outbox struct {
	gate    *gate
	to      *caller
	stream  grpc.ServerStream
	waiting atomic.Int64
	room    chan struct{} // wakes the sender if it waits for waiting

	// The record that was sent last. Who takes it from there counts it out; if that
	// is not Put, it is doubted.
	last, doubted atomic.Pointer[[]byte]

	next     int64 // what the next record may take: as much as the last one
	reserved int64 // for the record that is being made
}

var (
	_ mem.BufferPool = (*outbox)(nil)
	_ protomap.Room  = (*outbox)(nil)
)

// errNoRoom says that a record has to wait until it is made.
var errNoRoom = errors.New("there is no room for the record")

func (g *gate) newOutbox(to *caller, stream grpc.ServerStream) *outbox {
	if to == nil {
		to = &caller{backlog: &backlog{limit: math.MaxInt64}}
	}
	return &outbox{gate: g, to: to, stream: stream, next: leastCost, room: make(chan struct{}, 1)}
}

// Get implements mem.BufferPool.
func (o *outbox) Get(n int) *[]byte { return buffers.Get(n) }

// Put implements mem.BufferPool: the transport is done with b.
func (o *outbox) Put(b *[]byte) {
	if o.last.CompareAndSwap(b, nil) || o.doubted.Load() != b {
		o.leave(cost(b))
	}
	buffers.Put(b)
}

// leave counts a record out that no longer waits.
func (o *outbox) leave(n int64) {
	left := o.waiting.Add(-n)
	if left < 0 { // the list was cut off, and counts no more
		return
	}
	if left < streamWindow && left+n >= streamWindow {
		select {
		case o.room <- struct{}{}:
		default:
		}
	}
	o.to.written.Add(1)
	o.to.release(n)
}

// close is the end of the list. If its stream was cut off, the transport forgets
// what waits and does not always say so: grpc-go drops a frame that comes behind
// the end of its stream. Else what waits is still sent.
func (o *outbox) close() {
	if o.stream.Context().Err() != nil {
		o.to.release(o.waiting.Swap(gone))
	}
}

// send sends what encode appends. Whoever waits holds no record meanwhile: if
// one is larger than there is room, it is encoded again when there is.
func (o *outbox) send(encode func([]byte) ([]byte, error)) error {
	for {
		if err := o.await(o.next); err != nil {
			return err
		}
		b, err := o.encode(encode)
		if err != nil {
			return err
		}
		if b != nil {
			return o.hand(b)
		}
	}
}

// hand hands a record to the transport. If the call ends meanwhile, because the list
// takes too long, the record may come behind that, and the transport forgets it then
// without a word: it is counted out here, unless Put has done so.
func (o *outbox) hand(b *[]byte) error {
	n := cost(b)
	o.waiting.Add(n)
	o.last.Store(b)
	if err := o.stream.SendMsg(&raw{answer: b, pool: o}); err != nil {
		return err
	}
	err := o.stream.Context().Err()
	if err == nil {
		return nil
	}
	o.doubted.Store(b)
	if o.last.CompareAndSwap(b, nil) {
		o.leave(n)
	}
	return err
}

// Grow implements protomap.Room for the record that is being made.
func (o *outbox) Grow(bytes int) error {
	n := int64(bytes) + messageBytes
	if n <= o.reserved {
		return nil
	}
	if !o.to.reserve(n - o.reserved) {
		o.next = n
		return errNoRoom
	}
	o.reserved = n
	return nil
}

// encode returns a record with what it takes reserved, or nil and nothing
// reserved if there is no room for it, and then next says how much it takes.
func (o *outbox) encode(encode func([]byte) ([]byte, error)) (b *[]byte, err error) {
	o.reserved = o.next
	defer func() {
		if b == nil {
			o.to.release(o.reserved)
		}
	}()
	room := buffers.Get(0)
	if *room, err = encode(*room); err != nil {
		buffers.Put(room)
		if errors.Is(err, errNoRoom) {
			err = nil
		}
		return nil, err
	}
	o.next = cost(room)
	switch {
	case o.next < o.reserved:
		o.to.release(o.reserved - o.next)
	case o.next > o.reserved && !o.to.reserve(o.next-o.reserved):
		buffers.Put(room)
		return nil, nil
	}
	return room, nil
}

// await waits until n bytes are reserved.
func (o *outbox) await(n int64) error {
	for o.waiting.Load() >= streamWindow {
		select {
		case <-o.stream.Context().Done():
			return o.stream.Context().Err()
		case <-o.room:
		}
	}
	if o.to.backlog.waiters.Load() == 0 && o.to.reserve(n) {
		return nil
	}
	return o.queue(n)
}

// queue is await for n bytes that do not fit now, or that others wait for.
func (o *outbox) queue(n int64) error {
	if 2*n > o.to.backlog.limit {
		return o.gate.noRoom(o.to, n)
	}
	w := o.to.enqueue(n)
	select {
	case <-w.granted:
		return nil
	case <-o.stream.Context().Done():
		if !o.to.withdraw(w) {
			o.to.release(n)
		}
		return o.stream.Context().Err()
	}
}
