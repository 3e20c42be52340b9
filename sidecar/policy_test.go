package sidecar

import (
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// TestPolicy takes the store away from datasets of each policy: after a while
// one serves as before, one says that it is stale, one refuses and is not ready.
func TestPolicy(t *testing.T) {
	store := newStore(t)
	names := []dataset.Name{"served", "marked", "refused"}
	cfg := testConfig(store, names...)
	for i, policy := range []string{PolicyServe, PolicyMark, PolicyRefuse} {
		newProducer(t, store, names[i], usageProto).publish(usage(1, 1)...)
		if cfg.Datasets[i].Policy = policy; policy != PolicyServe {
			cfg.Datasets[i].MaxStaleness = 2 * time.Second
		}
	}
	s := start(t, cfg)
	untilReady(t, s)
	var clients []*client
	for _, name := range names {
		clients = append(clients, newClient(t, s, string(name)))
		// The next entry of the log cannot be read.
		bad := store.Path(blob.LogKey(name, s.Replica(name).Status().Position+1))
		if err := os.WriteFile(bad, []byte("nonsense"), 0o600); err != nil {
			t.Fatal(err)
		}
		until(t, "age", func() bool { return s.Replica(name).Freshness().Age > 2*time.Second })
	}
	version := s.Replica("refused").Current().Version()
	_, err := clients[2].call(t.Context(), "GetUsage", `{"region":"R0"}`)
	fails(t, "refused", err, codes.FailedPrecondition, "TOO_STALE", version.String()+", the dataset's policy allows 2s")
	exact := metadata.AppendToOutgoingContext(t.Context(), keyVersion, version.String())
	if _, err := clients[2].call(exact, "GetUsage", `{"region":"R0"}`); err != nil {
		t.Errorf("a version that is named: %v", err)
	}
	if err := s.Ready(); err == nil || strings.Contains(err.Error(), "served") {
		t.Errorf("ready: %v", err)
	}
	for path, want := range map[string]int{"?datasets=served": 200, "?datasets=refused": 503, "": 503} {
		if code, text := fetch(t, s, "/readyz"+path); code != want {
			t.Errorf("/readyz%s: %d %s", path, code, text)
		}
	}
	for _, query := range []string{"?dataset=served", "?datasets=served&datasets=marked", "?datasets=served&max_staleness=", "?datasets=served&max_staleness=0s", "?%zz"} {
		if code, text := fetch(t, s, "/readyz"+query); code != 503 || !strings.Contains(text, "request is malformed") {
			t.Errorf("/readyz%s: %d %s", query, code, text)
		}
	}
	var header metadata.MD
	if _, err := clients[0].call(t.Context(), "GetUsage", `{"region":"R0"}`, grpc.Header(&header)); err != nil {
		t.Error(err)
	}
	if s.Status().Datasets[0].State != replica.StateStale || len(header.Get(keyVersion)) == 0 {
		t.Errorf("status %+v, header %v", s.Status().Datasets[0], header)
	}
	for _, name := range names {
		if err := os.Remove(store.Path(blob.LogKey(name, s.Replica(name).Status().Position+1))); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "recovery", func() bool { return s.Ready() == nil })
}

// TestState is what answers say, by policy and age.
func TestState(t *testing.T) {
	for _, c := range []struct {
		policy, state string
		age           time.Duration
		want          string
	}{
		{PolicyServe, replica.StateReady, time.Hour, replica.StateReady},
		{PolicyMark, replica.StateReady, time.Second, replica.StateReady},
		{PolicyMark, replica.StateReady, time.Second + 1, replica.StateStale},
		{PolicyMark, replica.StateDiverged, time.Hour, replica.StateDiverged},
		{PolicyRefuse, replica.StateReady, time.Hour, replica.StateReady},
	} {
		s := &served{declared: DatasetConfig{Policy: c.policy, MaxStaleness: time.Second}}
		if got := s.state(replica.Freshness{State: c.state, Age: c.age}); got != c.want {
			t.Errorf("%s, %s, %s: %s, want %s", c.policy, c.state, c.age, got, c.want)
		}
	}
}

// TestRefusedFromCache starts without the store: that it has not confirmed
// anything is no age.
func TestRefusedFromCache(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(3, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Cache.Dir = t.TempDir()
	cfg.Datasets[0].Policy, cfg.Datasets[0].MaxStaleness = PolicyRefuse, time.Minute
	t.Run("fill the cache", func(t *testing.T) { untilReady(t, start(t, cfg)) })
	away := store.Root() + "-away"
	if err := os.Rename(store.Root(), away); err != nil {
		t.Fatal(err)
	}
	s := start(t, cfg)
	until(t, "a version from the cache", func() bool { return s.Replica("usage").Current() != nil })
	const want = "since the start, the dataset's policy allows 1m0s"
	if err := s.Ready(); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("ready: %v, want %s", err, want)
	}
	_, err := holdfastv1.NewLookupClient(dial(t, s.Addr())).Get(t.Context(), &holdfastv1.GetRequest{Dataset: "usage", Key: []string{"R0"}})
	fails(t, "a look-up", err, codes.FailedPrecondition, "TOO_STALE", want)
	if err := os.Rename(away, store.Root()); err != nil {
		t.Fatal(err)
	}
	untilReady(t, s)
}
