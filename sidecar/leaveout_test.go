package sidecar

import (
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/emptypb"

	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
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
	namesLeftOut(t, c, "Usage.continent, Usage.shares")
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
	namesLeftOut(t, c, "")
}

// namesLeftOut asks by each typed method which fields its records lack.
func namesLeftOut(t *testing.T, c *client, want string) {
	t.Helper()
	for method, request := range map[string]string{"GetUsage": `{"region":"R1"}`, "BatchGetUsage": `{"keys":[{"region":"R1"}]}`} {
		var header metadata.MD
		if _, err := c.call(t.Context(), method, request, grpc.Header(&header)); err != nil {
			t.Errorf("%s: %v", method, err)
		}
		if got := strings.Join(header.Get(keyLeftOut), "; "); got != want {
			t.Errorf("%s names %q, want %q", method, got, want)
		}
	}
	stream, err := c.conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, "/"+string(c.service.FullName())+"/ListUsage")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(stream.SendMsg(&emptypb.Empty{}), stream.CloseSend()); err != nil {
		t.Fatal(err)
	}
	header, err := stream.Header()
	if got := strings.Join(header.Get(keyLeftOut), "; "); err != nil || got != want {
		t.Errorf("ListUsage names %q, error %v, want %q", got, err, want)
	}
}

// TestLeaveOutJSON asks for JSON of a dataset without some of its fields: what is
// not loaded is absent, since a default in its place would be taken for content.
// Answers name it, so that nobody takes them for whole records.
func TestLeaveOutJSON(t *testing.T) {
	store := newStore(t)
	p := newProducer(t, store, "usage", usageProto2)
	v := p.publish(usage(3, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Datasets[0].LeaveOut = []string{"Usage.shares", "Usage.total", "Usage.nothing"}
	s := start(t, cfg)
	untilReady(t, s)
	lookup := holdfastv1.NewLookupClient(dial(t, s.Addr()))
	ask := func(version, want, left string) {
		t.Helper()
		var header metadata.MD
		got, err := lookup.Get(t.Context(), &holdfastv1.GetRequest{Dataset: "usage", Version: version, Key: []string{"R1"}}, grpc.Header(&header))
		if text := got.GetRecord().GetJson(); err != nil || text != want || strings.Join(header.Get(keyLeftOut), "; ") != left {
			t.Errorf("%s, header %v, error %v; want %s and %q", text, header, err, want, left)
		}
	}
	ask("", `{"region":"R1","continent":""}`, "Usage.shares, Usage.total")
	if code, body := fetch(t, s, "/datasets/usage/record?key=R1"); code != 200 || body != `{"region":"R1","continent":""}`+"\n" {
		t.Errorf("over HTTP %d %s", code, body)
	}
	p.mapping = compile(t, usageProto) // another schema, and the same one later
	untilVersion(t, s, "usage", p.publish(usage(3, 2)...))
	ask("", `{"region":"R1"}`, "Usage.shares, Usage.total")
	ask(v.String(), `{"region":"R1","continent":""}`, "Usage.shares, Usage.total")
	cfg.Datasets[0].LeaveOut = nil
	if err := s.Reload(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
	until(t, "all fields", func() bool { return s.Status().Datasets[0].LeaveOut == nil })
	ask("", `{"region":"R1","shares":[{"browser":"b","percent":2.5}],"total":"2"}`, "")
}

// TestLeftOutText holds that a header stays small.
func TestLeftOutText(t *testing.T) {
	long := strings.Repeat("x", 400)
	for _, c := range []struct {
		fields []string
		want   string
	}{
		{nil, ""}, {[]string{"A.a"}, "A.a"}, {[]string{"A.a", "A.b"}, "A.a, A.b"},
		{[]string{long, long, long, long}, long + ", " + long + ", 2 more"},
		{[]string{long + long + long}, "1 more"},
	} {
		if got := leftOutText(c.fields); got != c.want {
			t.Errorf("%.80q: %s, want %s", c.fields, got, c.want)
		}
	}
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
		"Usage.region": "the key must not be left out: Usage.region is part of it", "String.value": "leave these fields out instead of String.value",
	} {
		cfg.Datasets[0].LeaveOut = []string{field}
		s := start(t, cfg)
		until(t, reason, func() bool { return strings.Contains(s.Status().Datasets[0].Error, reason) })
	}
}
