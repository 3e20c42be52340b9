package sidecar

import (
	"context"
	"errors"
	"sync"
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
	for i := range 6 {
		all.Go(func() {
			for range 30 {
				if i%2 == 0 {
					if _, err := c.list(t.Context(), "ListUsage"); err != nil {
						fails(t, "typed", err, codes.ResourceExhausted, "TOO_SLOW", "")
					}
					continue
				}
				stream, err := holdfastv1.NewLookupClient(c.conn).List(t.Context(), &holdfastv1.ListRequest{Dataset: "usage"})
				if err == nil {
					_, err = rest(stream)
				}
				if err != nil {
					fails(t, "generic", err, codes.ResourceExhausted, "TOO_SLOW", "")
				}
			}
		})
	}
	all.Wait()
	until(t, "an empty backlog", func() bool { return s.callers.backlog.bytes.Load() == 0 })
}

// TestListedAfterReload reloads by declarations that make a new replica, again and
// again, each with a list of the one before that is not read: they count together.
func TestListedAfterReload(t *testing.T) {
	store := newStore(t)
	p := newProducer(t, store, "usage", usageProto)
	at := p.publish(usage(20_000, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Limits.MaxListedVersions = 2
	s := start(t, cfg)
	untilVersion(t, s, "usage", at)
	lookup := holdfastv1.NewLookupClient(dial(t, s.Addr(), grpc.WithStaticStreamWindowSize(64<<10)))
	for i := range 4 {
		if _, err := lookup.List(t.Context(), &holdfastv1.ListRequest{Dataset: "usage"}); err != nil {
			t.Fatal(err)
		}
		until(t, "a list more", func() bool {
			_, text := fetch(t, s, "/metrics")
			return metric(t, text, `holdfast_listed_versions{dataset="usage"}`) == float64(min(i+1, 2))
		})
		before := s.Replica("usage")
		cfg.Datasets[0].Fallback = []string{FallbackWait, FallbackSnapshot}[i%2]
		if err := s.Reload(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		until(t, "the new declaration", func() bool { return s.Replica("usage") != before })
	}
	until(t, "the end of the first lists", func() bool { return s.gate.calls.now.Load() == 2 })
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
