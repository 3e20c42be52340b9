package sidecar

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// in returns a context whose calls are made in a session.
func in(ctx context.Context, id string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, keySession, id)
}

func datasets(names ...string) (out []*holdfastv1.SessionDataset) {
	for _, name := range names {
		out = append(out, &holdfastv1.SessionDataset{Dataset: name})
	}
	return out
}

// TestSession reads by every way what a session holds, after newer versions
// have come and the held ones have gone from where they are kept otherwise.
func TestSession(t *testing.T) {
	store := newStore(t)
	p := newProducer(t, store, "usage", usageProto)
	v1 := p.publish(usage(3, 1)...)
	q := newProducer(t, store, "other", usageProto)
	q.publish(usage(3, 1)...)
	cfg := testConfig(store, "usage", "other")
	cfg.Limits.MaxVersions = 2
	s := start(t, cfg)
	untilReady(t, s)
	c := newClient(t, s, "usage")
	client := holdfastv1.NewSessionsClient(c.conn)
	lookup := holdfastv1.NewLookupClient(c.conn)
	session, err := client.Open(t.Context(), &holdfastv1.OpenSessionRequest{Datasets: datasets("usage"), Lease: durationpb.New(time.Minute)})
	if err != nil || len(session.GetDatasets()) != 1 || session.GetDatasets()[0].GetVersion() != v1.String() || !session.GetConsistent() || session.GetLease().AsDuration() != time.Minute {
		t.Fatalf("%v, %v", session, err)
	}
	var last dataset.Version
	for x := 2; x < 8; x++ {
		last = p.publish(usage(2+x, x)...)
		untilVersion(t, s, "usage", last)
	}
	ctx := in(t.Context(), session.GetId())
	const want = `"total":"1"`
	var header metadata.MD
	if got, err := c.call(ctx, "GetUsage", `{"region":"R1"}`, grpc.Header(&header)); err != nil || !strings.Contains(got, want) || header.Get(keyVersion)[0] != v1.String() {
		t.Errorf("typed: %s, %v, header %v", got, err, header)
	}
	if got, err := c.call(ctx, "BatchGetUsage", `{"keys":[{"region":"R1"},{"region":"R5"}]}`); err != nil || strings.Count(got, "total") != 1 || !strings.Contains(got, want) {
		t.Errorf("batch: %s, %v", got, err)
	}
	if got, err := c.list(ctx, "ListUsage"); err != nil || len(got) != 3 {
		t.Errorf("list: %v, %v", got, err)
	}
	if got, err := lookup.Get(ctx, &holdfastv1.GetRequest{Dataset: "usage", Key: []string{"R1"}}); err != nil || got.GetVersion() != v1.String() {
		t.Errorf("generic: %v, %v", got, err)
	}
	for id, code := range map[string]int{session.GetId(): 200, "none": 404} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.AdminAddr()+"/datasets/usage/record?key=R1", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(keySession, id)
		answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != code || code == 200 && answer.Header.Get(keyVersion) != v1.String() {
			t.Errorf("HTTP in session %s: %d, version %s", id, answer.StatusCode, answer.Header.Get(keyVersion))
		}
	}
	_, err = lookup.Get(ctx, &holdfastv1.GetRequest{Dataset: "other", Key: []string{"R1"}})
	fails(t, "another dataset", err, codes.FailedPrecondition, "NOT_IN_SESSION", "other")
	_, err = lookup.Get(ctx, &holdfastv1.GetRequest{Dataset: "usage", Version: last.String(), Key: []string{"R1"}})
	fails(t, "another version", err, codes.InvalidArgument, "BAD_METADATA", v1.String())
	_, err = c.call(metadata.AppendToOutgoingContext(ctx, keyMinVersion, last.String()), "GetUsage", `{"region":"R1"}`)
	fails(t, "a later version", err, codes.FailedPrecondition, "VERSION_NOT_REACHED", v1.String())
	if n := s.Status().Sessions; n != 1 {
		t.Errorf("%d sessions", n)
	}
	if _, err := client.Renew(t.Context(), &holdfastv1.RenewSessionRequest{Id: session.GetId()}); err != nil {
		t.Error(err)
	}
	if _, err := client.Close(t.Context(), &holdfastv1.CloseSessionRequest{Id: session.GetId()}); err != nil {
		t.Error(err)
	}
	_, err = c.call(ctx, "GetUsage", `{"region":"R1"}`)
	fails(t, "closed", err, codes.NotFound, "SESSION_NOT_FOUND", "over")
	_, err = client.Renew(t.Context(), &holdfastv1.RenewSessionRequest{Id: session.GetId()})
	fails(t, "renew", err, codes.NotFound, "SESSION_NOT_FOUND", "over")
}

// TestSessionOpen asks for versions, pinned datasets and more than there may be.
func TestSessionOpen(t *testing.T) {
	store := newStore(t)
	p := newProducer(t, store, "usage", usageProto)
	v1 := p.publish(usage(1, 1)...)
	v2 := p.publish(usage(1, 2)...)
	v3 := p.publish(usage(1, 3)...)
	newProducer(t, store, "other", usageProto).publish(usage(1, 1)...)
	cfg := testConfig(store, "usage", "other")
	cfg.Sessions.MaxCount = 3
	s := start(t, cfg)
	untilVersion(t, s, "usage", v3)
	client := holdfastv1.NewSessionsClient(dial(t, s.Addr()))
	open := func(lease time.Duration, all ...*holdfastv1.SessionDataset) (*holdfastv1.Session, error) {
		return client.Open(t.Context(), &holdfastv1.OpenSessionRequest{Datasets: all, Lease: durationpb.New(lease)})
	}
	exact := &holdfastv1.SessionDataset{Dataset: "usage", Version: v1.String()}
	session, err := open(0, append(datasets("other"), exact)...)
	if err != nil || session.GetDatasets()[1].GetVersion() != v1.String() || session.GetLease().AsDuration() != cfg.Sessions.MaxLease {
		t.Errorf("%v, %v", session, err)
	}
	if _, err := announce.Open(store, "usage").Pin(t.Context(), announce.Author{Name: "test"}, v2); err != nil {
		t.Fatal(err)
	}
	if session, err = open(time.Hour, datasets("usage", "other")...); err != nil || session.GetDatasets()[1].GetVersion() != v2.String() || session.GetLease().AsDuration() != cfg.Sessions.MaxLease {
		t.Errorf("pinned: %v, %v", session, err)
	}
	for _, c := range []struct {
		all    []*holdfastv1.SessionDataset
		code   codes.Code
		reason string
	}{
		{nil, codes.InvalidArgument, "MALFORMED_REQUEST"},
		{datasets("usage", "usage"), codes.InvalidArgument, "MALFORMED_REQUEST"},
		{datasets("none"), codes.NotFound, "DATASET_NOT_FOUND"},
		{[]*holdfastv1.SessionDataset{{Dataset: "usage", Version: "new"}}, codes.InvalidArgument, "MALFORMED_REQUEST"},
		{[]*holdfastv1.SessionDataset{{Dataset: "usage", Version: "20010101000000000"}}, codes.NotFound, "VERSION_NOT_FOUND"},
	} {
		_, err := open(time.Minute, c.all...)
		fails(t, fmt.Sprint(c.all), err, c.code, c.reason, "")
	}
	short, err := open(50*time.Millisecond, datasets("usage")...)
	if err != nil {
		t.Fatal(err)
	}
	_, err = open(time.Minute, datasets("usage")...)
	fails(t, "too many", err, codes.ResourceExhausted, "SESSION_LIMIT", "3 sessions")
	until(t, "the end of a lease", func() bool { return s.Status().Sessions == 2 })
	_, err = client.Renew(t.Context(), &holdfastv1.RenewSessionRequest{Id: short.GetId()})
	fails(t, "expired", err, codes.NotFound, "SESSION_NOT_FOUND", "over")
}
