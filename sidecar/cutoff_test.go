package sidecar

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// TestCutOffLists ends lists while they send as fast as they can, typed and generic,
// on a connection that lives: nothing of them counts as waiting in the end.
func TestCutOffLists(t *testing.T) {
	store := newStore(t)
	at := newProducer(t, store, "usage", usageProto).publish(usage(20_000, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Limits.MaxListTime = 20 * time.Millisecond
	s := start(t, cfg)
	untilVersion(t, s, "usage", at)
	c := newClient(t, s, "usage")
	var all sync.WaitGroup
	var cut [2]atomic.Int64
	for i := range 6 {
		all.Go(func() {
			for range 30 {
				var err error
				if i%2 == 0 {
					_, err = c.list(t.Context(), "ListUsage")
				} else {
					var stream grpc.ServerStreamingClient[holdfastv1.Record]
					if stream, err = holdfastv1.NewLookupClient(c.conn).List(t.Context(), &holdfastv1.ListRequest{Dataset: "usage"}); err == nil {
						_, err = rest(stream)
					}
				}
				if err != nil { // else it was quicker than that
					cut[i%2].Add(1)
					fails(t, "a list", err, codes.ResourceExhausted, "TOO_SLOW", "takes longer than 20ms")
				}
			}
		})
	}
	all.Wait()
	if typed, generic := cut[0].Load(), cut[1].Load(); typed == 0 || generic == 0 {
		t.Fatalf("%d typed lists and %d generic ones were cut off: the test shows nothing", typed, generic)
	}
	until(t, "an empty backlog", func() bool { return s.callers.backlog.bytes.Load() == 0 })
}

// keptStream keeps what it is given, and ends while it is given a second message.
type keptStream struct {
	grpc.ServerStream
	ctx    context.Context
	end    func()
	kept   []*[]byte
	second func(b *[]byte)
}

func (s *keptStream) Context() context.Context { return s.ctx }

func (s *keptStream) SendMsg(m any) error {
	b := m.(*raw).answer
	if s.kept = append(s.kept, b); len(s.kept) == 2 {
		s.second(b)
		s.end()
	}
	return nil
}

// TestDoubtedRecord sends a record while its call ends: it counts as waiting no more,
// once, whenever the transport is done with it, if ever.
func TestDoubtedRecord(t *testing.T) {
	encode := func(b []byte) ([]byte, error) { return append(b, make([]byte, 1000)...), nil }
	for _, when := range []string{"before", "after", "never"} {
		ctx, end := context.WithCancel(t.Context())
		s := &keptStream{ctx: ctx, end: end, second: func(*[]byte) {}}
		o := newGate(DefaultConfig().Limits).newOutbox(nil, s)
		if when == "before" {
			s.second = o.Put
		}
		if err := o.send(encode); err != nil {
			t.Fatal(err)
		}
		one := o.waiting.Load()
		if err := o.send(encode); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: error %v", when, err)
		}
		if when == "after" {
			o.Put(s.kept[1])
		}
		if n, all := o.waiting.Load(), o.to.backlog.bytes.Load(); n != one || all != one {
			t.Errorf("%s: %d bytes wait, %d in all, want %d", when, n, all, one)
		}
		o.Put(s.kept[0])
		if n, all := o.waiting.Load(), o.to.backlog.bytes.Load(); n != 0 || all != 0 {
			t.Errorf("%s: %d bytes wait in the end, %d in all", when, n, all)
		}
	}
}
