package sidecar

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/holdfast-data/holdfast/pkg/announce"
)

// A pin that is found while a call waits for the store to confirm takes the
// dataset back behind the version that the call had already reached.
func TestMinVersionUnderPin(t *testing.T) {
	store := newStore(t)
	p := newProducer(t, store, "usage", usageProto)
	first := p.publish(usage(3, 1)...)
	second := p.publish(usage(3, 2)...)
	cfg := testConfig(store, "usage")
	cfg.Poll = time.Hour
	var ahead atomic.Int64 // of the sidecar's clock
	s := startWith(t, cfg, Options{Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }})
	untilVersion(t, s, "usage", second)
	c := newClient(t, s, "usage")
	if _, err := announce.Open(store, "usage").Pin(t.Context(), announce.Author{Name: "test"}, first); err != nil {
		t.Fatal(err)
	}
	ahead.Store(int64(time.Minute))
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	ctx := metadata.AppendToOutgoingContext(short, keyMinVersion, second.String(), keyMaxStaleness, "30s")
	_, err := c.call(ctx, "GetUsage", `{"region":"R1"}`)
	fails(t, "behind a pin", err, codes.FailedPrecondition, "VERSION_NOT_REACHED", second.String())
	// The same once the pin is applied, and when nothing has to be confirmed.
	until(t, "pinned version", func() bool { return s.Replica("usage").Current().Version() == first })
	short, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	ctx = metadata.AppendToOutgoingContext(short, keyMinVersion, second.String())
	_, err = c.call(ctx, "GetUsage", `{"region":"R1"}`)
	fails(t, "at a pin", err, codes.FailedPrecondition, "VERSION_NOT_REACHED", second.String())
}
