package sidecar

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"

	"github.com/holdfast-data/holdfast/internal/daemon"
	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

func TestSocket(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(1, 1)...)
	path := filepath.Join(t.TempDir(), "h.sock")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	cfg := testConfig(store, "usage")
	cfg.Listen, cfg.Socket, cfg.Admin = "", path, ""
	t.Run("serve", func(t *testing.T) {
		s := start(t, cfg)
		untilReady(t, s)
		if s.Addr() != "unix:"+path || s.AdminAddr() != "" || s.GossipAddr() != "" {
			t.Errorf("addresses are %q, %q, %q", s.Addr(), s.AdminAddr(), s.GossipAddr())
		}
		if info, err := os.Lstat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("socket: %v, %v", info, err)
		}
		if _, err := Open(t.Context(), cfg, Options{}); !errors.Is(err, daemon.ErrInUse) {
			t.Errorf("a second sidecar: %v", err)
		}
		if got, err := newClient(t, s, "usage").call(t.Context(), "GetUsage", `{"region":"R0"}`); err != nil || got == "" {
			t.Errorf("after the second one: %s, %v", got, err)
		}
	})
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left: %v", err)
	}
}

func TestOpenFails(t *testing.T) {
	store := newStore(t)
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for _, c := range []struct {
		change func(*Config)
		want   error
		words  string
	}{
		{func(c *Config) { c.Listen = busy.Addr().String() }, daemon.ErrInUse, "--listen"},
		{func(c *Config) { c.Admin = busy.Addr().String() }, daemon.ErrInUse, "--admin"},
		{func(c *Config) { c.Datasets[0].Store = "/nonexistent" }, os.ErrNotExist, "usage"},
		{func(c *Config) { c.Poll = 0 }, ErrConfig, "poll"},
		{func(c *Config) { c.Gossip.Cluster, c.Gossip.Bind = "c", "0.0.0.0:0" }, nil, "key is required"},
	} {
		cfg := testConfig(store, "usage")
		c.change(&cfg)
		s, err := Open(t.Context(), cfg, Options{Logger: slog.New(slog.DiscardHandler)})
		if err == nil {
			s.Close()
		}
		if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.words) {
			t.Errorf("got %v, want %v with %q", err, c.want, c.words)
		}
	}
	s, err := Open(t.Context(), testConfig(store, "usage"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // without Run; goleak looks for the rest
		t.Error(err)
	}
}

func TestWholeStore(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(1, 1)...)
	s := start(t, testConfig(store).FromStore(store.Root()))
	untilReady(t, s)
	if r := s.Replica("later"); r != nil {
		t.Fatal("a dataset that is not there is served")
	}
	newProducer(t, store, "later", usageProto).publish(usage(2, 5)...)
	until(t, "the later dataset", func() bool { return s.Replica("later") != nil && s.routes.Load().plans["later"] != nil })
	got, err := newClient(t, s, "later").call(t.Context(), "GetUsage", `{"region":"R1"}`)
	if err != nil || !strings.Contains(got, `"total":"5"`) {
		t.Errorf("got %s, %v", got, err)
	}
	for _, d := range s.Status().Datasets {
		if want := d.Dataset == "usage"; d.Required != want {
			t.Errorf("dataset %s: required is %v, want %v", d.Dataset, d.Required, want)
		}
	}
}

func TestGossip(t *testing.T) {
	store := newStore(t)
	p := newProducer(t, store, "usage", usageProto)
	v1 := p.publish(usage(1, 1)...)
	// The first one looks often, the second one only when it hears of news.
	cfg := testConfig(store, "usage")
	cfg.Gossip.Cluster = "test"
	first := start(t, cfg)
	cfg.Poll, cfg.Gossip.Join = time.Hour, []string{first.GossipAddr()}
	second := start(t, cfg)
	untilVersion(t, first, "usage", v1)
	untilVersion(t, second, "usage", v1)
	until(t, "two members", func() bool { return second.Status().Gossip.Members == 2 })
	v2 := p.publish(usage(1, 2)...)
	untilVersion(t, first, "usage", v2)
	untilVersion(t, second, "usage", v2)
}

func TestStoreOutOfReach(t *testing.T) {
	store := newStore(t)
	v := newProducer(t, store, "usage", usageProto).publish(usage(1, 1)...)
	s := start(t, testConfig(store, "usage"))
	untilReady(t, s)
	c := newClient(t, s, "usage")
	// The next entry of the log cannot be read.
	bad := store.Path(blob.LogKey("usage", s.Replica("usage").Status().Position+1))
	if err := os.WriteFile(bad, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	until(t, "stale", func() bool { return s.Status().Datasets[0].State == replica.StateStale })
	if got, err := c.call(t.Context(), "GetUsage", `{"region":"R0"}`); err != nil || got == "" {
		t.Errorf("a stale dataset answers: %s, %v", got, err)
	}
	until(t, "age", func() bool { return s.Status().Datasets[0].AgeMS > 50 })
	_, err := c.call(metadata.AppendToOutgoingContext(t.Context(), keyMaxStaleness, "50ms"), "GetUsage", `{"region":"R0"}`)
	fails(t, "too old", err, codes.FailedPrecondition, "TOO_STALE", v.String())
	if code, text := fetch(t, s, "/readyz?max_staleness=50ms"); code != 503 || !strings.Contains(text, "too old") {
		t.Errorf("readyz within 50ms: %d %s", code, text)
	}
	if code, _ := fetch(t, s, "/readyz"); code != 200 {
		t.Errorf("readyz: %d", code)
	}
	if err := os.Remove(bad); err != nil {
		t.Fatal(err)
	}
	until(t, "recovery", func() bool { return s.Status().Datasets[0].State == replica.StateReady })
}

func TestStatusAndMetrics(t *testing.T) {
	store := newStore(t)
	v := newProducer(t, store, "usage", usageProto).publish(usage(3, 1)...)
	s := start(t, testConfig(store, "usage"))
	untilReady(t, s)
	c := newClient(t, s, "usage")
	for _, region := range []string{"R0", "R1", "none"} {
		_, _ = c.call(t.Context(), "GetUsage", `{"region":"`+region+`"}`)
	}
	code, text := fetch(t, s, "/status")
	var status struct {
		Ready    bool
		Datasets []map[string]any
	}
	if err := json.Unmarshal([]byte(text), &status); err != nil || code != 200 {
		t.Fatalf("status: %d %v\n%s", code, err, text)
	}
	want := map[string]any{
		"dataset": "usage", "version": v.String(), "announced": v.String(), "state": "ready", "records": 3.0, "ready": true,
		"required": true, "root": "Usage", "service": "holdfast.data.usage.UsageService", "store": store.Root(),
	}
	for key, x := range want {
		if !status.Ready || len(status.Datasets) != 1 || status.Datasets[0][key] != x {
			t.Errorf("status lacks %s: %v in\n%s", key, x, text)
		}
	}
	_, text = fetch(t, s, "/metrics")
	for _, line := range []string{
		`holdfast_lookups_total{code="OK",dataset="usage",method="get"} 2`,
		`holdfast_lookups_total{code="NotFound",dataset="usage",method="get"} 1`,
		`holdfast_lookup_seconds_count{dataset="usage",method="get"} 3`,
		`holdfast_dataset_ready{dataset="usage"} 1`, `holdfast_dataset_records{dataset="usage"} 3`,
		`holdfast_dataset_behind{dataset="usage"} 0`, `holdfast_dataset_pinned{dataset="usage"} 0`, `holdfast_dataset_looks_failed_total{dataset="usage"} 0`,
		`holdfast_dataset_detours_total{dataset="usage"} 0`, `holdfast_dataset_created_timestamp_seconds{dataset="usage"} 1.`, `holdfast_panics_total 0`, "go_goroutines ",
	} {
		if !strings.Contains(text, line) {
			t.Errorf("metrics lack %s", line)
		}
	}
	if strings.Contains(text, v.String()) {
		t.Error("metrics have a version")
	}
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (holdfast_\w+) (\w+)`).FindAllStringSubmatch(text, -1) {
		if (m[2] == "counter") != strings.HasSuffix(m[1], "_total") {
			t.Errorf("%s is a %s", m[1], m[2])
		}
	}
	for path, want := range map[string]int{"/livez": 200, "/readyz": 200, "/readyz?datasets=usage": 200, "/readyz?datasets=none": 503, "/readyz?max_staleness=x": 503} {
		if got, text := fetch(t, s, path); got != want {
			t.Errorf("%s: %d %s", path, got, text)
		}
	}
}

func TestHTTP(t *testing.T) {
	s := serving(t)
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	for _, x := range []struct {
		path, header string
		code         int
		want         string
	}{
		{"usage/record?key=R1", "1h", 200, `{"region":"R1","shares":[{"browser":"b","percent":1.5}],"total":"1"}`},
		{"usage/record?key=none", "", 404, `"reason": "RECORD_NOT_FOUND"`},
		{"usage/record", "", 400, `"reason": "BAD_KEY"`},
		{"usage/record?key=R1&version=20010101000000000", "", 404, `"reason": "VERSION_NOT_FOUND"`},
		{"usage/record?key=R1&vresion=20010101000000000", "", 400, `no parameter \"vresion\"`},
		{"usage/record?Key=R1", "", 400, `"reason": "MALFORMED_REQUEST"`},
		{"usage/record?key=R1&version=1&version=2", "", 400, `version is given 2 times`},
		{"usage/record?key=R1&version=", "", 400, `version is empty`},
		{"usage/record?key=%zz", "", 400, `"reason": "MALFORMED_REQUEST"`},
		{"usage/record?key=R1", "1ns", 412, `"reason": "TOO_STALE"`},
		{"none/record?key=R1", "", 404, `"reason": "DATASET_NOT_FOUND"`},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.AdminAddr()+"/datasets/"+x.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		if x.header != "" {
			r.Header.Set(keyMaxStaleness, x.header)
		}
		answer, err := c.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || answer.StatusCode != x.code || !strings.Contains(string(b), x.want) {
			t.Errorf("%s: %d %s, %v; want %d %s", x.path, answer.StatusCode, b, err, x.code, x.want)
		}
		if v := answer.Header.Get(keyVersion); x.code == 200 && len(v) != 17 {
			t.Errorf("%s: header %s is %q", x.path, keyVersion, v)
		}
	}
}

func TestRegistryIsGivenBack(t *testing.T) {
	store := newStore(t)
	registry := prometheus.NewRegistry()
	for range 2 {
		s, err := Open(t.Context(), testConfig(store, "usage"), Options{Registry: registry})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestPanicIsOneCallsProblem(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(1, 1)...)
	s := start(t, testConfig(store, "usage"))
	untilReady(t, s)
	c := newClient(t, s, "usage")
	old := s.routes.Load()
	broken := *old
	broken.methods = map[string]route{"/holdfast.data.usage.UsageService/GetUsage": {&served{stats: new(callStats)}, kindGet}}
	s.routes.Store(&broken)
	_, err := c.call(t.Context(), "GetUsage", `{"region":"R0"}`)
	fails(t, "panic", err, codes.Internal, "INTERNAL", "internal error")
	s.routes.Store(old)
	if _, err := c.call(t.Context(), "GetUsage", `{"region":"R0"}`); err != nil {
		t.Errorf("after a panic: %v", err)
	}
	if s.panics.Load() != 1 || s.gate.calls.now.Load() != 0 {
		t.Errorf("%d panics, %d calls under way", s.panics.Load(), s.gate.calls.now.Load())
	}
}

// TestStaleness asks for fresh data where looks at the store are rare: the call
// causes one.
func TestStaleness(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(1, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Poll = time.Hour
	s := start(t, cfg)
	untilReady(t, s)
	until(t, "age", func() bool { return s.Status().Datasets[0].AgeMS > 300 })
	c := newClient(t, s, "usage")
	var header metadata.MD
	ctx := metadata.AppendToOutgoingContext(t.Context(), keyMaxStaleness, "200ms")
	if _, err := c.call(ctx, "GetUsage", `{"region":"R0"}`, grpc.Header(&header)); err != nil {
		t.Error(err)
	}
	if age, err := strconv.Atoi(strings.Join(header.Get(keyAge), "")); err != nil || age > 200 {
		t.Errorf("age is %q", header.Get(keyAge))
	}
}

// TestUndeclared serves a version that has no schema with it.
func TestUndeclared(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(2, 1)...)
	s := start(t, testConfig(store, "usage"))
	untilReady(t, s)
	from := s.Replica("usage").Current()
	v := publishBare(t, store, "bare", from)
	cfg := testConfig(store, "bare", "keyed")
	cfg.Datasets[1].Root, cfg.Datasets[1].Key = "Share", []string{"browser.value"}
	publishBare(t, store, "keyed", from)
	s = start(t, cfg)
	untilReady(t, s)
	c := holdfastv1.NewLookupClient(dial(t, s.Addr()))
	got, err := c.Get(t.Context(), &holdfastv1.GetRequest{Dataset: "bare", Key: []string{"R1"}})
	if err != nil || got.GetVersion() != v.String() || !strings.Contains(got.GetRecord().GetJson(), `"region":"R1"`) {
		t.Errorf("get: %v, %v", got, err)
	}
	got, err = c.Get(t.Context(), &holdfastv1.GetRequest{Dataset: "keyed", Key: []string{"b"}})
	if err != nil || got.GetRecord().GetType() != "Share" || !strings.Contains(got.GetRecord().GetJson(), `"percent":1.5`) {
		t.Errorf("get by a declared key: %v, %v", got, err)
	}
	for _, name := range []string{"bare", "keyed"} {
		schema, err := c.Schema(t.Context(), &holdfastv1.SchemaRequest{Dataset: name})
		if err != nil || schema.GetDeclared() || !strings.Contains(schema.GetProto(), "option (holdfast.v1.dataset)") {
			t.Errorf("schema: %v, %v", schema, err)
		}
	}
	if services := s.routes.Load().services; len(services) != 0 {
		t.Errorf("typed services: %v", services)
	}
}

// publishBare announces the state of a view as a dataset without a schema.
func publishBare(t *testing.T, store blob.Store, name dataset.Name, from *replica.View) dataset.Version {
	t.Helper()
	var b bytes.Buffer
	if err := (state.Transition{Next: from.State}).WriteSnapshot(&b); err != nil {
		t.Fatal(err)
	}
	m := *from.Manifest
	ref := blob.RefOf(b.Bytes())
	m.Dataset, m.Schema, m.Snapshot, m.Header = name, dataset.Digest{}, &ref, nil
	text, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	digest := dataset.DigestOf(text)
	for key, data := range map[string][]byte{
		blob.BlobKey(name, m.Version, ref.Digest): b.Bytes(), blob.ManifestKey(name, m.Version, digest): text,
	} {
		if err := store.Put(t.Context(), key, data); err != nil {
			t.Fatal(err)
		}
	}
	a := announce.AnnouncementOf(&m, digest)
	if _, err := announce.Open(store, name).Announce(t.Context(), announce.Author{Name: "test"}, a); err != nil {
		t.Fatal(err)
	}
	return m.Version
}

// TestGracefulStop ends a sidecar while a stream is under way, which gets all
// of its records.
func TestGracefulStop(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(5000, 1)...)
	s, err := Open(t.Context(), testConfig(store, "usage"), Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	untilReady(t, s)
	c := newClient(t, s, "usage")
	type result struct {
		n   int
		err error
	}
	got := make(chan result)
	go func() {
		all, err := c.list(t.Context(), "ListUsage")
		got <- result{len(all), err}
	}()
	until(t, "a stream", func() bool { return s.gate.calls.now.Load() > 0 })
	stop()
	if r := <-got; r.err != nil || r.n != 5000 {
		t.Errorf("the stream has %d records, %v", r.n, r.err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Whoever stops a sidecar before it has begun to serve is told nothing else
// than later.
func TestStopBeforeServing(t *testing.T) {
	store := newStore(t)
	s, err := Open(t.Context(), testConfig(store, "usage"), Options{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := s.Close(); err != nil { // as Run does it, at the worst moment
		t.Fatal(err)
	}
	if err := s.Run(ctx); err != nil {
		t.Errorf("a run that is over at once: %v, want none", err)
	}
}
