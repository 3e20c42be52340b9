package sidecar

import (
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/stats"
	"google.golang.org/protobuf/proto"

	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// perCall is what a call that is under way takes beside what it has to send, at
// most: its stream in the transport, goroutines, encoders.
const perCall = 32 << 10

// heap returns the memory that is in use.
func heap() int64 {
	runtime.GC()
	runtime.GC() // what pools keep is free after two
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// TestDeafClients makes many calls on several connections and reads nothing: all
// that waits to be sent is within the limit, whatever the calls are and however
// small their messages, and another connection is served.
func TestDeafClients(t *testing.T) {
	list, err := proto.Marshal(&holdfastv1.ListRequest{Dataset: "usage"})
	if err != nil {
		t.Fatal(err)
	}
	get, err := proto.Marshal(&holdfastv1.GetRequest{Dataset: "usage", Key: []string{"large"}})
	if err != nil {
		t.Fatal(err)
	}
	large := `{"region":"large","shares":[{"browser":"` + strings.Repeat("x", 60_000) + `"}]}`
	for _, c := range []struct {
		path    string
		request []byte
	}{
		{"/holdfast.data.usage.UsageService/ListUsage", nil},
		{"/holdfast.v1.Lookup/List", list},
		{"/holdfast.data.usage.UsageService/GetUsage", []byte("\x0a\x05large")},
		{"/holdfast.v1.Lookup/Get", get},
	} {
		t.Run(c.path[1:], func(t *testing.T) { beDeaf(t, append(usage(3000, 1), large), c.path, c.request) })
	}
}

func beDeaf(t *testing.T, records []string, path string, request []byte) {
	const connections, each = 4, 50
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(records...)
	cfg := testConfig(store, "usage")
	cfg.Limits.MaxPendingBytes, cfg.Limits.MaxStall = 2<<20, time.Second
	s := start(t, cfg)
	untilReady(t, s)
	other := newClient(t, s, "usage")
	before, samples := heap(), []int64(nil)
	for range connections {
		conn, err := net.Dial("tcp", s.Addr())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		deaf := newDeafClient(t, conn)
		for i := range each {
			deaf.send(t, uint32(2*i+1), path, request)
		}
	}
	until(t, "the end of the connections", func() bool {
		samples = append(samples, heap()-before)
		if _, err := other.call(t.Context(), "GetUsage", `{"region":"R1"}`); err != nil {
			t.Errorf("another connection: %v", err)
		}
		s.callers.mu.Lock()
		defer s.callers.mu.Unlock()
		return len(s.callers.all) == 1
	})
	slices.Sort(samples)
	usual := samples[len(samples)/2] // a sample may see calls that are being answered
	if allowed := cfg.Limits.MaxPendingBytes + connections*each*perCall; usual > allowed {
		t.Errorf("%d bytes of memory, at most %d are allowed", usual, allowed)
	}
	t.Logf("%d MiB in %d samples", usual>>20, len(samples))
}

// metric returns a metric without labels.
func metric(t *testing.T, text, name string) float64 {
	t.Helper()
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatal(err)
			}
			return v
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// TestSlowLists begins more lists than there is room for, on one connection, and
// reads them only then: none fails, and none lacks a record.
func TestSlowLists(t *testing.T) {
	const records, lists = 3000, 3
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(records, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Limits.MaxPendingBytes = 5 * streamWindow // of which a connection has half
	s := start(t, cfg)
	untilReady(t, s)
	// Windows that do not grow, as a client's do by how fast its machine is: else
	// it may take all lists in before they are read.
	conn := dial(t, s.Addr(), grpc.WithStaticStreamWindowSize(64<<10))
	var streams []grpc.ServerStreamingClient[holdfastv1.Record]
	for range lists {
		stream, err := holdfastv1.NewLookupClient(conn).List(t.Context(), &holdfastv1.ListRequest{Dataset: "usage"})
		if err != nil {
			t.Fatal(err)
		}
		streams = append(streams, stream)
	}
	until(t, "no room", func() bool { return s.callers.backlog.bytes.Load() > cfg.Limits.MaxPendingBytes/2-4*leastCost })
	until(t, "metrics of what waits", func() bool {
		_, text := fetch(t, s, "/metrics")
		return metric(t, text, "holdfast_answers_pending_bytes") > 0 && metric(t, text, "holdfast_lists_waiting") > 0
	})
	var all sync.WaitGroup
	for _, stream := range streams {
		all.Go(func() {
			if got, err := rest(stream); err != nil || len(got) != records {
				t.Errorf("%d records: %v", len(got), err)
			}
		})
	}
	all.Wait()
	until(t, "an empty backlog", func() bool { return s.callers.backlog.bytes.Load() == 0 })
}

// TestTooLargeToWait asks for answers that must not wait even alone.
func TestTooLargeToWait(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(`{"region":"R1","shares":[{"browser":"` + strings.Repeat("x", 200_000) + `"}]}`)
	cfg := testConfig(store, "usage")
	cfg.Limits.MaxPendingBytes = 100_000
	s := start(t, cfg)
	untilReady(t, s)
	c := newClient(t, s, "usage")
	lookup := holdfastv1.NewLookupClient(c.conn)
	refused := func(what string, err error) {
		t.Helper()
		fails(t, what, err, codes.ResourceExhausted, "LIMIT", "limits.max_pending_bytes")
	}
	_, err := c.call(t.Context(), "GetUsage", `{"region":"R1"}`)
	refused("get", err)
	_, err = c.list(t.Context(), "ListUsage")
	refused("list", err)
	_, err = lookup.Get(t.Context(), &holdfastv1.GetRequest{Dataset: "usage", Key: []string{"R1"}})
	refused("generic get", err)
	stream, err := lookup.List(t.Context(), &holdfastv1.ListRequest{Dataset: "usage"})
	if err == nil {
		_, err = stream.Recv()
	}
	refused("generic list", err)
	if code, body := fetch(t, s, "/datasets/usage/record?key=R1"); code != http.StatusTooManyRequests || !strings.Contains(body, "limits.max_pending_bytes") {
		t.Errorf("over HTTP %d %.200s", code, body)
	}
	if n := s.callers.backlog.bytes.Load(); n != 0 {
		t.Errorf("%d bytes are pending", n)
	}
}

// TestDeafOverHTTP asks for a record over HTTP and does not read it.
func TestDeafOverHTTP(t *testing.T) {
	const size = 16 << 20 // more than the machine keeps for a connection
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(`{"region":"R1","shares":[{"browser":"` + strings.Repeat("x", size) + `"}]}`)
	s := start(t, testConfig(store, "usage"))
	untilReady(t, s)
	conn, err := net.Dial("tcp", s.AdminAddr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /datasets/usage/record?key=R1 HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	until(t, "a pending answer", func() bool { return s.callers.backlog.bytes.Load() > size })
	conn.Close()
	until(t, "an empty backlog", func() bool { return s.callers.backlog.bytes.Load() == 0 })
}

// encodings notes how answers are compressed.
type encodings struct{ seen chan string }

func (*encodings) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (*encodings) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*encodings) HandleConn(context.Context, stats.ConnStats)                       {}

func (e *encodings) HandleRPC(_ context.Context, s stats.RPCStats) {
	if in, ok := s.(*stats.InHeader); ok {
		e.seen <- in.Compression
	}
}

// TestAnswersAreNotCompressed sends compressed requests: the answers are not, as
// they would be pending without being counted.
func TestAnswersAreNotCompressed(t *testing.T) {
	s := serving(t)
	noted := &encodings{make(chan string, 10)}
	c := newClient(t, s, "usage")
	conn, err := grpc.NewClient(s.Addr(), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStatsHandler(noted), grpc.WithDefaultCallOptions(grpc.UseCompressor(gzip.Name)))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c.conn = conn
	lookup := holdfastv1.NewLookupClient(conn)
	for what, ask := range map[string]func() error{
		"get":  func() error { _, err := c.call(t.Context(), "GetUsage", `{"region":"R1"}`); return err },
		"list": func() error { _, err := c.list(t.Context(), "ListUsage"); return err },
		"generic get": func() error {
			_, err := lookup.Get(t.Context(), &holdfastv1.GetRequest{Dataset: "usage", Key: []string{"R1"}})
			return err
		},
		"generic list": func() error {
			stream, err := lookup.List(t.Context(), &holdfastv1.ListRequest{Dataset: "usage"})
			if err == nil {
				_, err = rest(stream)
			}
			return err
		},
	} {
		if err := ask(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
		if got := <-noted.seen; got != "" && got != encoding.Identity {
			t.Errorf("the answer of %s is compressed by %s", what, got)
		}
	}
}
