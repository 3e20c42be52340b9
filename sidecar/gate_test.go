package sidecar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/holdfast-data/holdfast/pkg/replica"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// everyMethod returns all methods that the sidecar answers, of the services that
// are registered and of the typed ones, so that one that comes later is tested
// with them.
func everyMethod(s *Sidecar) (out []string) {
	services := (&shown{s, s.server}).GetServiceInfo()
	for _, name := range slices.Sorted(maps.Keys(services)) {
		for _, m := range services[name].Methods {
			out = append(out, "/"+name+"/"+m.Name)
		}
	}
	return append(out, "/holdfast.v1.Lookup/None", "/holdfast.data.none.NoneService/GetNone")
}

// ask calls a method with an empty message, and returns the reason of its
// failure, or its code.
func ask(t *testing.T, conn *grpc.ClientConn, method string) string {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel() // some would stay open
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err == nil {
		err = stream.SendMsg(&emptypb.Empty{})
	}
	if err == nil {
		err = stream.CloseSend()
	}
	if err == nil || errors.Is(err, io.EOF) { // it was answered before all was sent
		err = stream.RecvMsg(&emptypb.Empty{})
	}
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return status.Code(err).String()
}

// TestEveryMethodHasARate calls each method and path, each from a new connection,
// when the caller has called too often and when it has not yet called: the
// caller is its host, whatever it calls.
func TestEveryMethodHasARate(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(1, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Limits.MaxRate = 1
	s := start(t, cfg)
	untilReady(t, s)
	ask(t, dial(t, s.Addr()), "/none") // a connection that stays: the caller is not forgotten
	u := s.callers.remote("127.0.0.1:1").user
	check := func(name string, refused func() bool) {
		t.Helper()
		for _, r := range []*rate{u.lookups, u.others} {
			r.next.Store(int64(time.Since(r.start) + time.Hour))
		}
		if !refused() {
			t.Errorf("%s has no rate", name)
		}
		u.lookups.next.Store(0)
		u.others.next.Store(0)
		if refused() {
			t.Errorf("%s is refused at the first call", name)
		}
		if u.lookups.next.Load() == 0 && u.others.next.Load() == 0 {
			t.Errorf("%s is not counted", name)
		}
	}
	for _, method := range everyMethod(s) {
		check(method, func() bool { return ask(t, dial(t, s.Addr()), method) == "RATE" })
	}
	for _, path := range []string{"/datasets/usage/record?key=R0", "/status", "/metrics", "/livez", "/none"} {
		check(path, func() bool {
			code, _ := fetch(t, s, path)
			return code == http.StatusTooManyRequests
		})
	}
}

// TestEveryMethodIsCounted calls each method while as many calls are under way
// as there may be.
func TestEveryMethodIsCounted(t *testing.T) {
	s := serving(t)
	conn := dial(t, s.Addr())
	s.gate.calls.now.Add(int64(s.cfg.Limits.MaxCalls))
	s.gate.standing.now.Add(int64(s.cfg.Limits.MaxCalls))
	uncounted := map[string]bool{ // it must be answered when there is no room
		"/grpc.health.v1.Health/Check": true, "/grpc.health.v1.Health/List": true,
	}
	for _, method := range everyMethod(s) {
		if got := ask(t, conn, method); (got != "LIMIT") != uncounted[method] {
			t.Errorf("%s: %s", method, got)
		}
	}
	if code, _ := fetch(t, s, "/datasets/usage/record?key=R1"); code != http.StatusTooManyRequests {
		t.Errorf("HTTP: %d", code)
	}
	s.gate.calls.now.Add(-int64(s.cfg.Limits.MaxCalls))
	s.gate.standing.now.Add(-int64(s.cfg.Limits.MaxCalls))
	for _, method := range everyMethod(s) {
		if got := ask(t, conn, method); got == "LIMIT" {
			t.Errorf("afterwards, %s: %s", method, got)
		}
	}
	until(t, "no calls under way", func() bool { return s.gate.calls.now.Load() == 0 && s.gate.standing.now.Load() == 0 })
}

// TestHeavyCalls has as many heavy calls under way as there may be: further ones
// are refused, and look-ups are not.
func TestHeavyCalls(t *testing.T) {
	s := serving(t)
	conn := dial(t, s.Addr())
	lookup := holdfastv1.NewLookupClient(conn)
	s.gate.heavy.now.Add(s.gate.heavy.most)
	for method, c := range classes {
		if got := ask(t, conn, method); (got == "LIMIT") != (c == classHeavy) {
			t.Errorf("%s: %s", method, got)
		}
	}
	get := func() error {
		_, err := lookup.Get(t.Context(), &holdfastv1.GetRequest{Dataset: "usage", Key: []string{"R1"}})
		return err
	}
	if err := get(); err != nil {
		t.Error(err)
	}
	s.gate.heavy.now.Add(-s.gate.heavy.most)
	if _, err := lookup.Diff(t.Context(), &holdfastv1.DiffRequest{FromDataset: "usage"}); err != nil {
		t.Error(err)
	}
	if calls, heavy := s.gate.calls.now.Load(), s.gate.heavy.now.Load(); calls != 0 || heavy != 0 {
		t.Errorf("%d calls under way, %d heavy ones", calls, heavy)
	}
	_, text := fetch(t, s, "/metrics")
	if want := `holdfast_calls_refused_total{limit="max_heavy_calls"} 2`; !strings.Contains(text, want) {
		t.Errorf("metrics lack %s", want)
	}
}

// TestGivenUp asks for heavy work that nobody waits for.
func TestGivenUp(t *testing.T) {
	s := serving(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := (&generic{s: s}).Diff(ctx, &holdfastv1.DiffRequest{FromDataset: "usage"})
	fails(t, "a diff that is given up", err, codes.Canceled, "CANCELED", "")
}

// TestSessionsPerCaller opens sessions until one caller has its share: another
// one still gets its own.
func TestSessionsPerCaller(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(1, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Listen, cfg.Sessions.MaxCount, cfg.Sessions.MaxPerCaller = "0.0.0.0:0", 4, 2
	s := start(t, cfg)
	untilReady(t, s)
	_, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	open := func(from string) (*holdfastv1.Session, error) {
		c := holdfastv1.NewSessionsClient(dialFrom(t, from, "127.0.0.1:"+port))
		return c.Open(t.Context(), &holdfastv1.OpenSessionRequest{Datasets: datasets("usage")})
	}
	var last *holdfastv1.Session
	for range 2 {
		if last, err = open("127.0.0.1"); err != nil {
			t.Fatal(err)
		}
	}
	_, err = open("127.0.0.1")
	fails(t, "the third one", err, codes.ResourceExhausted, "SESSION_LIMIT", "2 sessions of one caller")
	s.sessions.Close(replica.SessionID(last.GetId()))
	if _, err := open("127.0.0.1"); err != nil {
		t.Errorf("in the place of a closed one: %v", err)
	}
	if runtime.GOOS == "linux" {
		if _, err := open("127.0.0.2"); err != nil {
			t.Errorf("another host: %v", err)
		}
	}
}

// TestManyConnections has more clients than connections: all are answered, and
// never are there more connections than allowed, on neither address.
func TestManyConnections(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(1, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Limits.MaxConnections = 3
	s := start(t, cfg)
	untilReady(t, s)
	var most, pages atomic.Int64
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			conn := dial(t, s.Addr())
			_, err := holdfastv1.NewLookupClient(conn).Get(t.Context(), &holdfastv1.GetRequest{Dataset: "usage", Key: []string{"R0"}}, grpc.WaitForReady(true))
			if err != nil {
				t.Error(err)
			}
			s.callers.mu.Lock()
			most.Store(max(most.Load(), int64(len(s.callers.all))))
			s.callers.mu.Unlock()
			conn.Close()
			if code, text := fetch(t, s, "/livez"); code != http.StatusOK {
				t.Errorf("%d %s", code, text)
			}
			pages.Add(1)
		})
	}
	all.Wait()
	if most.Load() > 3 || most.Load() == 0 || pages.Load() != 20 {
		t.Errorf("%d connections at a time, %d pages", most.Load(), pages.Load())
	}
	for name, l := range map[string]net.Listener{"gRPC": s.listeners[0], "admin": s.adminAddr} {
		if n := cap(l.(*limitedListener).room); n != 3 {
			t.Errorf("%s has room for %d connections", name, n)
		}
	}
}

// TestCallerConnections opens more connections from one host than it may have:
// another host, and the first connections, are still served.
func TestCallerConnections(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(1, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Listen, cfg.Limits.MaxCallerConnections = "0.0.0.0:0", 3
	s := start(t, cfg)
	untilReady(t, s)
	_, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	get := func(conn *grpc.ClientConn) error {
		_, err := holdfastv1.NewLookupClient(conn).Get(t.Context(), &holdfastv1.GetRequest{Dataset: "usage", Key: []string{"R0"}})
		return err
	}
	var conns []*grpc.ClientConn
	for range 3 {
		conns = append(conns, dialFrom(t, "127.0.0.1", "127.0.0.1:"+port))
		if err := get(conns[len(conns)-1]); err != nil {
			t.Fatal(err)
		}
	}
	if err := get(dialFrom(t, "127.0.0.1", "127.0.0.1:"+port)); status.Code(err) != codes.Unavailable {
		t.Errorf("one more: %v", err)
	}
	if err := get(conns[0]); err != nil {
		t.Errorf("on the first connection: %v", err)
	}
	if runtime.GOOS == "linux" {
		if err := get(dialFrom(t, "127.0.0.2", "127.0.0.1:"+port)); err != nil {
			t.Errorf("another host: %v", err)
		}
	}
	if _, text := fetch(t, s, "/metrics"); !regexp.MustCompile(`holdfast_calls_refused_total\{limit="max_caller_connections"\} [1-9]`).MatchString(text) {
		t.Error("the metrics do not count refused connections")
	}
	conns[1].Close()
	until(t, "room for another one", func() bool { return get(dialFrom(t, "127.0.0.1", "127.0.0.1:"+port)) == nil })
}

// TestManyStreams makes more calls on a connection than it may have under way:
// all are answered, one after the other.
func TestManyStreams(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(200, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Limits.MaxStreams = 2
	s := start(t, cfg)
	untilReady(t, s)
	c := newClient(t, s, "usage")
	var most atomic.Int64
	var all sync.WaitGroup
	for range 12 {
		all.Go(func() {
			for range 5 {
				if got, err := c.list(t.Context(), "ListUsage"); err != nil || len(got) != 200 {
					t.Errorf("%d records, %v", len(got), err)
				}
				for n := s.gate.calls.now.Load(); n > most.Load(); {
					most.Store(n)
				}
			}
		})
	}
	all.Wait()
	if most.Load() > 2 {
		t.Errorf("%d calls under way", most.Load())
	}
}

// TestListTime does not read a list: it ends when its time is over, also without
// a stall.
func TestListTime(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(20_000, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Limits.MaxListTime = 100 * time.Millisecond
	s := start(t, cfg)
	untilReady(t, s)
	stream, err := holdfastv1.NewLookupClient(dial(t, s.Addr())).List(t.Context(), &holdfastv1.ListRequest{Dataset: "usage"})
	if err != nil {
		t.Fatal(err)
	}
	until(t, "the end of the list", func() bool {
		return s.routes.Load().datasets["usage"].stats.calls(kindGenericList)[codes.ResourceExhausted] == 1
	})
	for err == nil {
		_, err = stream.Recv()
	}
	fails(t, "the list", err, codes.ResourceExhausted, "TOO_SLOW", "takes longer than 100ms")
}

// TestGenericAnswersAreBounded asks for more than an answer may have, by each
// method that could give it.
func TestGenericAnswersAreBounded(t *testing.T) {
	store := newStore(t)
	p := newProducer(t, store, "usage", usageProto)
	p.publish(usage(50, 1)...)
	p.publish(usage(50, 2)...)
	cfg := testConfig(store, "usage")
	cfg.Limits.MaxAnswerBytes = 110 // one record is less
	s := start(t, cfg)
	untilReady(t, s)
	conn := dial(t, s.Addr())
	lookup := holdfastv1.NewLookupClient(conn)
	for what, call := range map[string]func() error{
		"batch": func() error {
			var keys []*holdfastv1.Key
			for i := range 50 {
				keys = append(keys, &holdfastv1.Key{Values: []string{fmt.Sprint("R", i)}})
			}
			_, err := lookup.BatchGet(t.Context(), &holdfastv1.BatchGetRequest{Dataset: "usage", Keys: keys})
			return err
		},
		"schema": func() error {
			_, err := lookup.Schema(t.Context(), &holdfastv1.SchemaRequest{Dataset: "usage"})
			return err
		},
		"versions": func() error {
			_, err := lookup.Versions(t.Context(), &holdfastv1.VersionsRequest{Dataset: "usage"})
			return err
		},
		"status": func() error {
			_, err := lookup.Status(t.Context(), &holdfastv1.StatusRequest{})
			return err
		},
	} {
		fails(t, what, call(), codes.ResourceExhausted, "LIMIT", "110")
	}
	if n := listAll(t, lookup, &holdfastv1.ListRequest{Dataset: "usage"}); n != 50 {
		t.Errorf("a list of small records has %d", n)
	}
}

// TestGenericAnswersArePending asks for large generic answers and reads none: no
// more is kept for the connection than for one of typed look-ups.
func TestGenericAnswersArePending(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(`{"region":"R1","shares":[{"browser":"` + strings.Repeat("x", 200_000) + `"}]}`)
	cfg := testConfig(store, "usage")
	cfg.Limits.MaxPendingBytes = 1 << 20
	s := start(t, cfg)
	untilReady(t, s)
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := newDeafClient(t, conn)
	request := append([]byte{0x0a, 5, 'u', 's', 'a', 'g', 'e'}, 0x1a, 2, 'R', '1')
	for i := range 40 {
		client.send(t, uint32(2*i+1), holdfastv1.Lookup_Get_FullMethodName, request)
	}
	until(t, "a refusal", func() bool { return s.gate.refusals[refusedByPending].Load() > 0 })
}

// TestListsInRequests has more elements in a request than are answered: no more
// are decoded than it takes to see that.
func TestListsInRequests(t *testing.T) {
	c := newCodec().withBatch(10)
	message := func(list protowire.Number, n int) (b []byte) {
		for range n {
			b = protowire.AppendBytes(protowire.AppendTag(b, 2, protowire.BytesType), nil)
			b = protowire.AppendBytes(protowire.AppendTag(b, list, protowire.BytesType), nil)
		}
		return b
	}
	for _, n := range []int{0, 10, 11, 100_000} {
		batch, session := new(holdfastv1.BatchGetRequest), new(holdfastv1.OpenSessionRequest)
		if err := c.Unmarshal(mem.BufferSlice{mem.SliceBuffer(message(3, n))}, batch); err != nil || len(batch.GetKeys()) != min(n, 11) {
			t.Errorf("%d keys: %d are decoded, %v", n, len(batch.GetKeys()), err)
		}
		if err := c.Unmarshal(mem.BufferSlice{mem.SliceBuffer(message(1, n))}, session); err != nil || len(session.GetDatasets()) != min(n, 11) {
			t.Errorf("%d datasets: %d are decoded, %v", n, len(session.GetDatasets()), err)
		}
	}
	s := serving(t)
	client := holdfastv1.NewSessionsClient(dial(t, s.Addr()))
	_, err := client.Open(t.Context(), &holdfastv1.OpenSessionRequest{Datasets: make([]*holdfastv1.SessionDataset, s.cfg.Limits.MaxBatch+1)})
	fails(t, "a session of many datasets", err, codes.ResourceExhausted, "LIMIT", "datasets in a session")
}

// TestUsersAreForgotten lets a caller go and come back: its rate is as it was
// until nothing counts any more.
func TestUsersAreForgotten(t *testing.T) {
	l := DefaultConfig().Limits
	l.MaxRate = 10
	a := newCallers(l)
	now := time.Now()
	first := a.remote("10.0.0.1:1")
	if !first.allow(classHeavy, now) || first.allow(classLookup, now) {
		t.Error("a heavy call is worth another number than a second's look-ups")
	}
	if again := a.remote("10.0.0.1:2"); again.allow(classLookup, now) {
		t.Error("another port is another caller")
	}
	if other := a.remote("[2001:db8::1]:1"); !other.allow(classLookup, now) || !first.allow(classProbe, now) {
		t.Error("another caller, or another class, is refused")
	}
	a.sweep(now.Add(time.Second / 2))
	if len(a.users) != 1 {
		t.Errorf("%d users after half a second", len(a.users))
	}
	a.sweep(now.Add(2 * time.Second))
	if len(a.users) != 0 {
		t.Errorf("%d users after two seconds", len(a.users))
	}
}
