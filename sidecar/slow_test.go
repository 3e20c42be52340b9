package sidecar

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
)

// A store that does not answer keeps no call that wants fresh data until its
// deadline.
func TestConfirmWhileTheStoreHangs(t *testing.T) {
	store := newStore(t)
	v := newProducer(t, store, "usage", usageProto).publish(usage(3, 1)...)
	var hangs atomic.Bool
	answer := make(chan struct{})
	faulty := blobtest.NewFaulty(store, func(blobtest.Op) blobtest.Fault {
		if hangs.Load() {
			<-answer
		}
		return blobtest.None
	})
	s := startWith(t, testConfig(store, "usage"), Options{World: &World{
		Store: func(context.Context, string) (blob.Store, error) { return faulty, nil },
	}})
	t.Cleanup(func() { close(answer) }) // before the sidecar stops
	untilVersion(t, s, "usage", v)
	c := newClient(t, s, "usage")
	hangs.Store(true)
	until(t, "age", func() bool { return s.Replica("usage").Freshness().Age > 100*time.Millisecond })
	ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), keyMaxStaleness, "1ms"), 3*time.Second)
	defer cancel()
	_, err := c.call(ctx, "GetUsage", `{"region":"R1"}`)
	fails(t, "a store that hangs", err, codes.FailedPrecondition, "TOO_STALE", "")
}

// Between the first version and its service, a typed call is told to come
// again, not that there will never be one.
func TestServiceBeingMade(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(3, 1)...)
	s, err := Open(t.Context(), testConfig(store, "usage"), Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Replica("usage").Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	err = s.routes.Load().unknown("/holdfast.data.usage.UsageService/GetUsage")
	if !errors.Is(err, errNotLoaded) {
		t.Errorf("got %v, want %v", err, errNotLoaded)
	}
}
