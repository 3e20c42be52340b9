package sidecar

import (
	"context"
	"sync"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
)

// TestWaits has more calls wait for a version than may: those beyond fail at once,
// and others find room.
func TestWaits(t *testing.T) {
	const calls = 8
	store := newStore(t)
	p := newProducer(t, store, "usage", usageProto)
	at := p.publish(usage(3, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Limits.MaxCalls = calls
	s := start(t, cfg)
	untilVersion(t, s, "usage", at)
	c := newClient(t, s, "usage")
	ctx, stop := context.WithCancel(t.Context())
	later := metadata.AppendToOutgoingContext(ctx, keyMinVersion, (at + 1).String())
	var waiting sync.WaitGroup
	for range calls / 2 {
		waiting.Go(func() {
			_, err := c.call(later, "GetUsage", `{"region":"R1"}`)
			fails(t, "a call that waited", err, codes.Canceled, "", "")
		})
	}
	until(t, "waiting calls", func() bool { return s.gate.waits.now.Load() == calls/2 })
	before := s.gate.refusals[refusedByCalls].Load()
	_, err := c.call(later, "GetUsage", `{"region":"R1"}`)
	fails(t, "one more", err, codes.ResourceExhausted, "LIMIT", "half of limits.max_calls")
	if n := s.gate.refusals[refusedByCalls].Load() - before; n != 1 {
		t.Errorf("%d refused calls were counted", n)
	}
	now := metadata.AppendToOutgoingContext(t.Context(), keyMinVersion, at.String())
	if _, err := c.call(now, "GetUsage", `{"region":"R1"}`); err != nil {
		t.Errorf("a call that need not wait: %v", err)
	}
	stop()
	waiting.Wait()
	until(t, "the end of the waiting calls", func() bool { return s.gate.waits.now.Load() == 0 })
}
