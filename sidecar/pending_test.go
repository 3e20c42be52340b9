package sidecar

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

func isGranted(w *waiter) bool {
	select {
	case <-w.granted:
		return true
	default:
		return false
	}
}

// TestBacklogTurns gives what is released to lists that wait, at once, in turns
// of their callers.
func TestBacklogTurns(t *testing.T) {
	b := &backlog{limit: 1000}
	a, c, d := &caller{backlog: b}, &caller{backlog: b}, &caller{backlog: b}
	if !a.reserve(450) || a.reserve(100) {
		t.Fatal("a caller alone may have half")
	}
	first := c.enqueue(150) // as much as is left may follow it
	if !isGranted(first) {
		t.Fatal("there is room for the first list")
	}
	waits := []*waiter{c.enqueue(150), c.enqueue(150), d.enqueue(150)}
	for i, w := range waits[:2] {
		if isGranted(w) {
			t.Fatalf("list %d has room that is not there", i)
		}
	}
	if !isGranted(waits[2]) {
		t.Error("a caller with nothing waiting to be sent has to wait for one that has")
	}
	a.release(450)
	if !isGranted(waits[0]) || isGranted(waits[1]) {
		t.Error("what was released is not given to the list that waits longest, and to no other")
	}
	if n := b.bytes.Load(); n != 450 || b.waiters.Load() != 1 {
		t.Errorf("%d bytes wait to be sent, and %d lists for room", n, b.waiters.Load())
	}
	c.release(150)
	if !isGranted(waits[1]) || b.waiters.Load() != 0 {
		t.Error("a caller's own room is not given to its next list")
	}
}

// TestBacklogLarge holds that small records do not pass a large one for ever, and
// that a list that gives up makes way.
func TestBacklogLarge(t *testing.T) {
	b := &backlog{limit: 1000}
	a, c, d := &caller{backlog: b}, &caller{backlog: b}, &caller{backlog: b}
	if !a.reserve(300) {
		t.Fatal("there is room")
	}
	large, small := c.enqueue(400), d.enqueue(100)
	if isGranted(large) || isGranted(small) {
		t.Fatal("a small record passes a large one")
	}
	if !c.withdraw(large) || !isGranted(small) {
		t.Error("a list that gave up is in the way")
	}
	large = c.enqueue(400)
	d.release(100)
	a.leave() // its connection ends
	if !isGranted(large) {
		t.Error("what a caller leaves is not given away")
	}
	if c.withdraw(large) {
		t.Error("what was granted is withdrawn as if it was not")
	}
	c.release(400)
	if n := b.bytes.Load(); n != 0 || b.waiters.Load() != 0 || len(b.queue) != 0 {
		t.Errorf("%d bytes and %d lists are left", n, b.waiters.Load())
	}
}

// TestCancelledLists cancels lists in the middle, many times on one connection:
// nothing of them counts as waiting to be sent as long as that lives.
func TestCancelledLists(t *testing.T) {
	store := newStore(t)
	records := usage(200, 1)
	for i, r := range records {
		records[i] = strings.Replace(r, `"shares":[`, `"shares":[{"browser":"`+strings.Repeat("x", 8000)+`"},`, 1)
	}
	newProducer(t, store, "usage", usageProto).publish(records...)
	cfg := testConfig(store, "usage")
	cfg.Limits.MaxPendingBytes = 1 << 20
	s := start(t, cfg)
	untilReady(t, s)
	lookups := holdfastv1.NewLookupClient(newClient(t, s, "usage").conn)
	for round := range 60 {
		var wait sync.WaitGroup
		for k := range 8 {
			wait.Go(func() {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				stream, err := lookups.List(ctx, &holdfastv1.ListRequest{Dataset: "usage"})
				for i := 0; err == nil && i < (round+7*k)%30; i++ {
					_, err = stream.Recv() // a list that begins beside too many is refused
				}
			})
		}
		wait.Wait()
	}
	within(t, 20*time.Second, "nothing waiting to be sent", func() bool { return s.callers.backlog.bytes.Load() == 0 })
}
