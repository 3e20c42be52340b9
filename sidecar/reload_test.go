package sidecar

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// TestReload adds, changes and removes datasets under load: no call fails that
// asks for what is declared before and after.
func TestReload(t *testing.T) {
	one, two := newStore(t), newStore(t)
	newProducer(t, one, "usage", usageProto).publish(usage(3, 1)...)
	newProducer(t, one, "later", usageProto).publish(usage(3, 7)...)
	cfg := testConfig(one, "usage")
	s, err := Open(t.Context(), cfg, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Reload(t.Context(), cfg); !errors.Is(err, ErrNotRunning) {
		t.Errorf("before it runs: %v", err)
	}
	s.Close()
	s = start(t, cfg)
	untilReady(t, s)
	c := newClient(t, s, "usage")
	var answers sync.Map
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var calls atomic.Int64
	for range 4 {
		all.Go(func() {
			for ctx.Err() == nil {
				got, err := c.call(t.Context(), "GetUsage", `{"region":"R1"}`)
				if err != nil {
					t.Error(err)
					return
				}
				answers.Store(got, true)
				calls.Add(1)
			}
		})
	}
	reload := func() {
		t.Helper()
		if err := s.Reload(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	cfg = testConfig(one, "usage", "later")
	reload()
	until(t, "the new dataset", func() bool { return s.routes.Load().plans["later"] != nil })
	if got, err := newClient(t, s, "later").call(t.Context(), "GetUsage", `{"region":"R1"}`); err != nil || !strings.Contains(got, `"7"`) {
		t.Errorf("%s, %v", got, err)
	}
	view := s.Replica("usage")
	cfg.Datasets[0].Policy, cfg.Datasets[0].MaxStaleness, cfg.Datasets[0].Required = PolicyRefuse, time.Hour, false
	reload()
	if s.Replica("usage") != view || s.routes.Load().datasets["usage"].declared.Policy != PolicyRefuse {
		t.Error("another policy made another replica, or is not in force")
	}
	// Another store, which is empty for now: the old one is served until then.
	cfg.Datasets[0].Store = two.Root()
	reload()
	before := calls.Load()
	until(t, "calls", func() bool { return calls.Load() > before+20 })
	newProducer(t, two, "usage", usageProto).publish(usage(3, 2)...)
	until(t, "the new store", func() bool {
		_, ok := answers.Load(`{"region":"R1","shares":[{"browser":"b","percent":2.5}],"total":"2"}`)
		return ok
	})
	// Forth and back, before the first one was loaded.
	cfg.Datasets[0].Store = newStore(t).Root()
	reload()
	cfg.Datasets[0].Store = two.Root()
	reload()
	cfg.Datasets = cfg.Datasets[:1]
	reload()
	stop()
	all.Wait()
	_, err = newClient(t, s, "usage").call(t.Context(), "GetUsage", `{"region":"R1"}`)
	if err != nil || s.Replica("later") != nil || s.Status().Generation != 7 {
		t.Errorf("%v, status %+v", err, s.Status())
	}
	_, err = newClient(t, s, "usage").call(in(t.Context(), "none"), "GetUsage", `{"region":"R1"}`)
	fails(t, "session", err, codes.NotFound, "SESSION_NOT_FOUND", "")
	bad := cfg
	bad.Datasets = nil
	if err := s.Reload(t.Context(), bad); !errors.Is(err, ErrConfig) || s.Status().Generation != 7 {
		t.Errorf("nothing declared: %v", err)
	}
}

// TestReloadPending declares what cannot be loaded: the declaration before is
// served on, and the status says why, until the newest can be followed, or is
// taken back. A restart would not serve the dataset.
func TestReloadPending(t *testing.T) {
	store := newStore(t)
	p := newProducer(t, store, "usage", usageProto)
	p.publish(usage(3, 1)...)
	cfg := testConfig(store, "usage", "later")
	cfg.Datasets[1].Required = false
	s := start(t, cfg)
	untilReady(t, s)
	lookup := holdfastv1.NewLookupClient(dial(t, s.Addr()))
	pending := func() string {
		got, err := lookup.Status(t.Context(), &holdfastv1.StatusRequest{Dataset: "usage"})
		if err != nil {
			t.Fatal(err)
		}
		status := s.Status()
		if !status.Ready || status.Datasets[0].Pending != "" {
			t.Errorf("ready is %v; a dataset that was never loaded has pending %q", status.Ready, status.Datasets[0].Pending)
		}
		return got.GetDatasets()[0].GetPendingDeclaration()
	}
	declare := func(change func(*DatasetConfig)) {
		t.Helper()
		cfg = testConfig(store, "usage", "later")
		cfg.Datasets[1].Required = false
		change(&cfg.Datasets[0])
		if err := s.Reload(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
	}
	if got := pending(); got != "" {
		t.Errorf("nothing was declared otherwise: %s", got)
	}
	declare(func(d *DatasetConfig) { d.LeaveOut = []string{"Usage.region"} })
	until(t, "the reason", func() bool { return strings.Contains(pending(), "the key must not be left out") })
	if code, body := fetch(t, s, "/status"); code != 200 || !strings.Contains(body, "pending_declaration") {
		t.Errorf("/status is %d %s", code, body)
	}
	if code, body := fetch(t, s, "/metrics"); code != 200 || !strings.Contains(body, `holdfast_dataset_declaration_pending{dataset="usage"} 1`) {
		t.Errorf("/metrics is %d %s", code, body)
	}
	declare(func(*DatasetConfig) {})
	until(t, "what was declared first", func() bool { return pending() == "" })

	empty := newStore(t)
	declare(func(d *DatasetConfig) { d.Store = empty.Root() })
	until(t, "the reason", func() bool { return strings.Contains(pending(), "dataset has no version yet") })
	newProducer(t, empty, "usage", usageProto).publish(usage(3, 2)...)
	until(t, "another store", func() bool { return pending() == "" })
	if at := s.Status().Datasets[1].Store; at != empty.Root() {
		t.Errorf("nothing is pending, %s is served, not %s", at, empty.Root())
	}
}
