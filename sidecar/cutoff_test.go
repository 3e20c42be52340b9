package sidecar

import (
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
