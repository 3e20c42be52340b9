package sidecar

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
)

// TestLeaveOut leaves fields of a dataset out, and the types that only they lead to:
// answers lack them, in later versions and after a reload without them, too.
func TestLeaveOut(t *testing.T) {
	store := newStore(t)
	p := newProducer(t, store, "usage", usageProto2)
	p.publish(usage(3, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Datasets[0].LeaveOut = []string{"Usage.shares", "Usage.nothing", "Usage.continent"}
	said := &lines{}
	s := startWith(t, cfg, Options{Logger: slog.New(slog.NewTextHandler(said, nil))})
	untilReady(t, s)
	c := newClient(t, s, "usage")
	ask := func(want string) {
		t.Helper()
		if got, err := c.call(t.Context(), "GetUsage", `{"region":"R1"}`); err != nil || got != want {
			t.Errorf("the answer is %s, error %v; want %s", got, err, want)
		}
	}
	ask(`{"region":"R1","total":"1"}`)
	if types := s.Replica("usage").Current().State.Schemas(); types["Share"] != nil || types["ListOfShare"] != nil || types["Usage"] == nil {
		t.Errorf("types %v are loaded", types)
	}
	untilVersion(t, s, "usage", p.publish(usage(3, 2)...))
	ask(`{"region":"R1","total":"2"}`)
	if status := s.Status().Datasets[0]; !slices.Equal(status.LeaveOut, cfg.Datasets[0].LeaveOut) {
		t.Errorf("the status is %+v", status)
	}
	for _, fields := range []string{"[Usage.nothing]", "[Usage.continent]"} {
		if n := strings.Count(said.String(), "fields="+fields); n != 1 {
			t.Errorf("%d warnings of %s in %s", n, fields, said)
		}
	}
	cfg.Datasets[0].LeaveOut = nil
	if err := s.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	until(t, "all fields", func() bool {
		got, err := c.call(t.Context(), "GetUsage", `{"region":"R1"}`)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(got, "shares")
	})
}

// TestLeaveOutKey has declarations that cannot be followed.
func TestLeaveOutKey(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(3, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Datasets[0].LeaveOut = []string{"shares"}
	if err := cfg.Validate(); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "datasets[0].leave_out") {
		t.Errorf("error %v", err)
	}
	cfg.Datasets[0].LeaveOut, cfg.Datasets[0].Owner = []string{"Usage.shares"}, OwnerHollow
	if err := cfg.Validate(); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "datasets[0].leave_out") {
		t.Errorf("of a Java producer: error %v", err)
	}
	cfg.Datasets[0].Owner = OwnerHoldfast
	for field, reason := range map[string]string{
		"Usage.region": "the key must not be left out", "String.value": "leave these fields out instead of String.value",
	} {
		cfg.Datasets[0].LeaveOut = []string{field}
		s := start(t, cfg)
		until(t, reason, func() bool { return strings.Contains(s.Status().Datasets[0].Error, reason) })
	}
}
