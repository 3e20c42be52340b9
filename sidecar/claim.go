package sidecar

import (
	"context"

	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// What a call may take that does not count. A request can be small for as long
// as its caller likes, an answer only until it is made.
const (
	smallRequest = 4 << 10
	smallAnswer  = 64 << 10
)

// claim is the memory that a call takes before there is an answer to send: that
// of its request, and that of an answer which is being made. It counts as what
// waits to be sent does, and is refused before it is taken: many calls at once
// could otherwise each take what one may. Unlike that it counts until the call
// lets go of it, whether or not the connection lives. A nil claim, or one of no
// caller, allows everything. It is not for several goroutines.
type claim struct {
	gate *gate
	of   *caller

	request int64 // bytes that count
	making  int64 // bytes that count
	kept    int64 // bytes of the answer so far
}

var _ protomap.Room = (*claim)(nil)

type claimKey struct{}

// withClaim returns ctx for a call that only has that, with its claim.
func withClaim(ctx context.Context, x *claim) context.Context {
	return context.WithValue(ctx, claimKey{}, x)
}

// claimOf returns the claim of a call, nil if it has none.
func claimOf(ctx context.Context) *claim {
	x, _ := ctx.Value(claimKey{}).(*claim)
	return x
}

// receive counts that the request takes n bytes in all.
func (x *claim) receive(n int) error {
	if x.of == nil || n <= smallRequest || int64(n) <= x.request {
		return nil
	}
	if !x.of.claim(int64(n) - x.request) {
		return x.gate.refuse(refusedByPending, errLimit, "there is no room for a request that takes %d bytes (limits.max_pending_bytes)", n)
	}
	x.request = int64(n)
	return nil
}

// Grow implements protomap.Room for a record that is being made beside what is
// kept.
func (x *claim) Grow(bytes int) error { return x.make(int64(bytes)) }

// make counts that the answer takes n bytes beside what is kept.
func (x *claim) make(n int64) error {
	if x == nil || x.of == nil || x.kept+n <= max(smallAnswer, x.making) {
		return nil
	}
	if !x.of.claim(x.kept + n - x.making) {
		return x.gate.noRoom(x.of, x.kept+n)
	}
	x.making = x.kept + n
	return nil
}

// keep counts that n bytes more stay until the answer is made.
func (x *claim) keep(n int) error {
	if x == nil {
		return nil
	}
	err := x.make(int64(n))
	x.kept += int64(n)
	return err
}

// room makes room for n bytes more in b, a buffer of the pool that has all that
// is kept, as append does. What that takes beside others counts before.
func (x *claim) room(b *[]byte, n, others int) error {
	need := len(*b) + n
	if need <= cap(*b) {
		return nil
	}
	size := need + need/4
	if err := x.make(int64(others + size)); err != nil {
		return err
	}
	larger := buffers.Get(size)
	*larger = append((*larger)[:0], *b...)
	*b, *larger = *larger, *b
	buffers.Put(larger)
	x.kept = int64(cap(*b))
	return nil
}

// made is the end of the making: from now on the answer counts as one that waits
// to be sent.
func (x *claim) made() {
	if x != nil && x.making > 0 {
		x.of.unclaim(x.making)
		x.making, x.kept = 0, 0
	}
}

// received is the end of the request.
func (x *claim) received() {
	if x.request > 0 {
		x.of.unclaim(x.request)
		x.request = 0
	}
}

// close gives back what is claimed.
func (x *claim) close() {
	x.made()
	x.received()
}
