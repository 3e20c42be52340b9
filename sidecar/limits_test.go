package sidecar

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

func TestRate(t *testing.T) {
	r := newRate(10)
	at := func(ms int) time.Time { return r.start.Add(time.Duration(ms) * time.Millisecond) }
	count := func(when time.Time) (n int) {
		for r.allow(when, 1) {
			n++
		}
		return n
	}
	for _, c := range []struct{ ms, want int }{{0, 10}, {50, 0}, {100, 1}, {1000, 9}, {60_000, 10}} {
		if got := count(at(c.ms)); got != c.want {
			t.Errorf("at %d ms: %d calls, want %d", c.ms, got, c.want)
		}
	}
	if !newRate(0).allow(time.Now(), 1) {
		t.Error("no bound refuses")
	}
}

// TestRatePerCaller bounds all connections of a host together, without touching
// another host, and so those of a user on the Unix socket.
func TestRatePerCaller(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(1, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Limits.MaxRate = 5
	cfg.Socket = filepath.Join(t.TempDir(), "h.sock")
	s := start(t, cfg)
	untilReady(t, s)
	flood := func(address string) (refused int) {
		c := holdfastv1.NewLookupClient(dial(t, address))
		for range 40 {
			_, err := c.Get(t.Context(), &holdfastv1.GetRequest{Dataset: "usage", Key: []string{"R0"}})
			if err != nil {
				fails(t, "rate", err, codes.ResourceExhausted, "RATE", "more than 5")
				refused++
			}
		}
		return refused
	}
	if flood(s.Addr()) == 0 {
		t.Error("a flood is not refused")
	}
	if flood(s.Addr()) < 30 {
		t.Error("the same host has another rate on another connection")
	}
	if runtime.GOOS == "linux" { // where all of 127.0.0.0/8 is the loopback interface
		other := holdfastv1.NewLookupClient(dialFrom(t, "127.0.0.2", s.Addr()))
		if _, err := other.Get(t.Context(), &holdfastv1.GetRequest{Dataset: "usage", Key: []string{"R0"}}); err != nil {
			t.Errorf("another host: %v", err)
		}
	}
	flood("unix:" + cfg.Socket)
	if runtime.GOOS == "linux" && flood("unix:"+cfg.Socket) < 30 {
		t.Error("the same user has another rate on another connection")
	}
}

// dialFrom dials from an address of this machine.
func dialFrom(t *testing.T, from, to string) *grpc.ClientConn {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	c, err := grpc.NewClient(to, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, to string) (net.Conn, error) { return d.DialContext(ctx, "tcp", to) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestListLimit refuses lists that are too long before they begin.
func TestListLimit(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(20, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Limits.MaxListRecords = 10
	s := start(t, cfg)
	untilReady(t, s)
	c := newClient(t, s, "usage")
	got, err := c.list(t.Context(), "ListUsage")
	fails(t, "typed list", err, codes.ResourceExhausted, "LIMIT", "20 records")
	if len(got) != 0 {
		t.Errorf("%d records before the error", len(got))
	}
	stream, err := holdfastv1.NewLookupClient(c.conn).List(t.Context(), &holdfastv1.ListRequest{Dataset: "usage", Limit: 10})
	n := 0
	for ; err == nil; n++ {
		_, err = stream.Recv()
	}
	if n != 11 {
		t.Errorf("%d of 10 records: %v", n-1, err)
	}
}

// TestStalledList does not read a list: the call ends, and the version that it
// read is let go, while other calls of the connection go on.
func TestStalledList(t *testing.T) {
	store := newStore(t)
	p := newProducer(t, store, "usage", usageProto)
	p.publish(usage(20_000, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Limits.MaxStall, cfg.Limits.MaxVersions = 2*time.Second, 2
	s := start(t, cfg)
	untilReady(t, s)
	letGo := watchView(t, s.Replica("usage"))
	c := newClient(t, s, "usage")
	stream, err := c.conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true}, "/"+string(c.service.FullName())+"/ListUsage")
	if err != nil {
		t.Fatal(err)
	}
	m := c.service.Methods().ByName("ListUsage")
	if err := stream.SendMsg(dynamicpb.NewMessage(m.Input())); err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	until(t, "the list", func() bool { return s.gate.calls.now.Load() == 1 })
	var calls sync.WaitGroup
	ctx, stop := context.WithCancel(t.Context())
	defer calls.Wait()
	defer stop()
	calls.Go(func() { // so that the connection makes progress
		for ctx.Err() == nil {
			if _, err := c.call(t.Context(), "GetUsage", `{"region":"R1"}`); err != nil {
				t.Error(err)
			}
		}
	})
	for x := 2; x < 5; x++ {
		untilVersion(t, s, "usage", p.publish(usage(3, x)...))
	}
	until(t, "the end of the list", func() bool {
		return s.routes.Load().datasets["usage"].stats.calls(kindList)[codes.ResourceExhausted] == 1
	})
	n := 0
	for err = nil; err == nil; n++ {
		err = stream.RecvMsg(dynamicpb.NewMessage(m.Output()))
	}
	fails(t, "the list", err, codes.ResourceExhausted, "TOO_SLOW", "nothing for")
	if n < 2 || n > 20_000 {
		t.Errorf("%d records before the error", n)
	}
	letGo()
}

// TestHalfOpen has a client that begins a call and sends no request: it is cut
// off, and others are not, nor do those of the same connection excuse it.
func TestHalfOpen(t *testing.T) {
	for _, method := range []string{"/holdfast.data.usage.UsageService/GetUsage", holdfastv1.Lookup_Get_FullMethodName} {
		t.Run(method[1:], func(t *testing.T) { beHalfOpen(t, method) })
	}
}

func beHalfOpen(t *testing.T, method string) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(1, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Limits.MaxStall = 200 * time.Millisecond
	s := start(t, cfg)
	untilReady(t, s)
	other := newClient(t, s, "usage")
	idle := newClient(t, s, "usage") // says nothing for longer, and stays
	c := newClient(t, s, "usage")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	stream, err := c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, method)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	go func() { ended <- stream.RecvMsg(dynamicpb.NewMessage(c.service.Methods().Get(0).Output())) }()
	for done := false; !done; {
		select {
		case err := <-ended:
			fails(t, "a call without a request", err, codes.ResourceExhausted, "TOO_SLOW", "limits.max_stall")
			done = true
		default:
			for _, c := range []*client{other, c} {
				if _, err := c.call(t.Context(), "GetUsage", `{"region":"R0"}`); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	for _, c := range []*client{other, idle, c} {
		if _, err := c.call(t.Context(), "GetUsage", `{"region":"R0"}`); err != nil {
			t.Error(err)
		}
	}
	if n := s.gate.calls.now.Load(); n != 0 {
		t.Errorf("%d calls under way", n)
	}
}

// TestPendingAnswers asks for large answers and reads none of them: what the
// sidecar keeps for the connection is bounded, and then the connection ends.
func TestPendingAnswers(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(`{"region":"R1","shares":[{"browser":"` + strings.Repeat("x", 200_000) + `"}]}`)
	cfg := testConfig(store, "usage")
	cfg.Limits.MaxStall, cfg.Limits.MaxPendingBytes = 500*time.Millisecond, 1<<20
	s := start(t, cfg)
	untilReady(t, s)
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := newDeafClient(t, conn)
	for i := range 60 {
		client.send(t, uint32(2*i+1), "/holdfast.data.usage.UsageService/GetUsage", []byte{0x0a, 2, 'R', '1'})
	}
	only := func() *caller {
		s.callers.mu.Lock()
		defer s.callers.mu.Unlock()
		for c := range s.callers.all {
			return c
		}
		return nil
	}
	until(t, "refused answers", func() bool { return s.gate.refusals[refusedByPending].Load() > 0 })
	if n := s.callers.backlog.bytes.Load(); n > cfg.Limits.MaxPendingBytes/2 {
		t.Errorf("%d bytes are pending", n)
	}
	until(t, "the end of the connection", func() bool { return only() == nil })
}

// deafClient speaks HTTP/2 and reads nothing.
type deafClient struct {
	conn   net.Conn
	framer *http2.Framer
}

func newDeafClient(t *testing.T, conn net.Conn) *deafClient {
	t.Helper()
	if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	c := &deafClient{conn, http2.NewFramer(conn, conn)}
	if err := c.framer.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	return c
}

// send sends one request.
func (c *deafClient) send(t *testing.T, stream uint32, path string, message []byte) {
	t.Helper()
	c.begin(t, stream, path)
	c.data(t, stream, true, len(message), message)
}

// begin begins a call. Its header is not indexed, so that it needs no state.
func (c *deafClient) begin(t *testing.T, stream uint32, path string) {
	t.Helper()
	var block []byte
	for _, h := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", path}, {":authority", "x"}, {"content-type", "application/grpc"}, {"te", "trailers"}} {
		block = append(block, 0)
		for _, text := range h {
			if len(text) > 126 {
				t.Fatal("too long")
			}
			block = append(append(block, byte(len(text))), text...)
		}
	}
	if err := c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: block, EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
}

// data sends the bytes of a message that says it has size, and the end of the call
// behind them if they are all.
func (c *deafClient) data(t *testing.T, stream uint32, all bool, size int, bytes []byte) {
	t.Helper()
	for data := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(size)), bytes...); len(data) > 0; {
		part := data[:min(len(data), 16<<10)]
		data = data[len(part):]
		if err := c.framer.WriteData(stream, all && len(data) == 0, part); err != nil {
			t.Fatal(err)
		}
	}
}

// TestSharedSubRecords has a dataset of few records, one of which opens up to a
// huge message, because its sub-records are shared: answers are bounded.
func TestSharedSubRecords(t *testing.T) {
	const levels = 24
	var text strings.Builder
	text.WriteString(`syntax = "proto3"; package owner; import "holdfast/v1/options.proto";
		message Root { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; L1 a = 2; }`)
	for i := 1; i < levels; i++ {
		fmt.Fprintf(&text, "message L%d { L%d a = 1; L%d b = 2; }\n", i, i+1, i+1)
	}
	fmt.Fprintf(&text, "message L%d { int32 n = 1; }\n", levels)
	store := newStore(t)
	newProducer(t, store, "bomb", text.String()).publishWith(addShared)
	cfg := testConfig(store, "bomb")
	cfg.Limits.MaxAnswerBytes = 1 << 20
	s := start(t, cfg)
	untilReady(t, s)
	began := time.Now()
	lookup := holdfastv1.NewLookupClient(dial(t, s.Addr()))
	_, err := lookup.Get(t.Context(), &holdfastv1.GetRequest{Dataset: "bomb", Key: []string{"x"}})
	fails(t, "generic", err, codes.ResourceExhausted, "RECORD_TOO_LARGE", "limits.max_answer_bytes")
	_, err = newClient(t, s, "bomb").call(t.Context(), "GetRoot", `{"id":"x"}`)
	fails(t, "typed", err, codes.ResourceExhausted, "RECORD_TOO_LARGE", "limits.max_answer_bytes")
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("it took %s", took)
	}
}

// addShared adds one record of each type, which refers to the one of the next
// type wherever it can.
func addShared(m *protomap.Mapping, sink protomap.Sink) error {
	last := map[string]state.Ordinal{}
	for _, x := range state.DependencyOrder(m.Schemas()) {
		var values []state.Value
		for _, f := range x.Fields {
			switch f.Type {
			case state.Reference:
				values = append(values, state.ReferenceValue(last[f.Ref]))
			case state.String:
				values = append(values, state.StringValue("x"))
			default:
				values = append(values, state.IntValue(1))
			}
		}
		o, err := sink.AddObject(x.Name, values)
		if err != nil {
			return err
		}
		last[x.Name] = o
	}
	return nil
}

// TestStopUnderLoad stops a sidecar and starts the next one on the same socket,
// again and again, while callers call that wait for a server: none fails.
func TestStopUnderLoad(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(3, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Listen, cfg.Admin, cfg.Socket = "", "", filepath.Join(t.TempDir(), "h.sock")
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var counts [8]atomic.Int64
	for i := range 4 {
		t.Run(fmt.Sprint("life", i), func(t *testing.T) {
			untilReady(t, start(t, cfg))
			for n := range counts {
				if before := counts[n].Load(); i > 0 {
					until(t, "answers from this one", func() bool { return counts[n].Load() > before+3 })
				}
			}
		})
		for n := range counts {
			if i == 0 {
				c := holdfastv1.NewLookupClient(dial(t, "unix:"+cfg.Socket))
				all.Go(func() {
					for ctx.Err() == nil {
						// It may come before the new one has loaded.
						_, err := c.Get(ctx, &holdfastv1.GetRequest{Dataset: "usage", Key: []string{"R1"}}, grpc.WaitForReady(true))
						if err != nil && ctx.Err() == nil && !strings.Contains(err.Error(), errNotLoaded.Error()) {
							t.Error(err)
						}
						counts[n].Add(1)
					}
				})
			}
		}
	}
	stop()
	all.Wait()
}

// TestLimitsAreNamed holds that errors of records name the limit that they exceed.
func TestLimitsAreNamed(t *testing.T) {
	deep, large := fmt.Errorf("record 1: %w", protomap.ErrTooDeep), fmt.Errorf("record 1: %w", protomap.ErrTooLarge)
	fails(t, "deep", toStatus(deep), codes.ResourceExhausted, "RECORD_TOO_DEEP", "limits.max_depth")
	fails(t, "large", toStatus(large), codes.ResourceExhausted, "RECORD_TOO_LARGE", "limits.max_answer_bytes")
}

// TestDefaultCallerConnections says what the default of a caller's connections is.
func TestDefaultCallerConnections(t *testing.T) {
	for _, c := range []struct{ all, one, want int }{{1000, 0, 900}, {1, 0, 1}, {9, 0, 8}, {10, 0, 9}, {1000, 7, 7}} {
		if got := (Limits{MaxConnections: c.all, MaxCallerConnections: c.one}).callerConnections(); got != c.want {
			t.Errorf("%d of %d: %d, want %d", c.one, c.all, got, c.want)
		}
	}
}
