package sidecar

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/protobuf/encoding/protowire"

	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// getMethods are look-ups that read one request.
var getMethods = []string{"/holdfast.data.usage.UsageService/GetUsage", holdfastv1.Lookup_Get_FullMethodName}

// padded returns a request that both getMethods answer, and that has n bytes
// besides, in a field which neither knows.
func padded(n int) []byte {
	const typed, generic = "\x0a\x05usage", "\x1a\x05usage" // one's key is the other's dataset
	return protowire.AppendBytes(protowire.AppendTag([]byte(typed+generic), 100, protowire.BytesType), make([]byte, n))
}

// paddedServing serves the record that padded asks for.
func paddedServing(t *testing.T, change func(*Limits)) *Sidecar {
	t.Helper()
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(append(usage(3, 1), `{"region":"usage"}`)...)
	cfg := testConfig(store, "usage")
	change(&cfg.Limits)
	s := start(t, cfg)
	untilReady(t, s)
	return s
}

// exchange sends messages in one call and returns what ends it.
func exchange(t *testing.T, conn *grpc.ClientConn, method string, messages [][]byte, options ...grpc.CallOption) error {
	t.Helper()
	options = append(options, grpc.ForceCodecV2(newCodec()))
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method, options...)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range messages {
		_ = stream.SendMsg(&raw{answer: &m}) // fails if it is answered already
	}
	_ = stream.CloseSend()
	out := new(raw)
	defer out.free()
	return stream.RecvMsg(out)
}

// TestUnfinishedRequests begins many large requests on one connection and
// finishes none: what they take is within the limit, small calls of the connection
// are answered, and those of others find room for large ones.
func TestUnfinishedRequests(t *testing.T) {
	const each, size = 300, 60 << 10
	for _, method := range getMethods {
		t.Run(method[1:], func(t *testing.T) {
			s := paddedServing(t, func(l *Limits) { l.MaxPendingBytes = 2 << 20 })
			other := dial(t, s.Addr())
			conn, err := net.Dial("tcp", s.Addr())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			client := newDeafClient(t, conn)
			before := heap()
			for i := range uint32(each) {
				client.begin(t, 2*i+1, method)
				client.data(t, 2*i+1, false, size, make([]byte, size-1))
			}
			until(t, "requests that are refused", func() bool { return s.gate.refusals[refusedByPending].Load() >= each/2 })
			client.send(t, 2*each+1, method, padded(0))
			until(t, "an answer beside them", func() bool { return s.gate.arriving.Load() > 0 && answered(s) == 1 })
			if grown := heap() - before; grown > 2<<20+each*perCall {
				t.Errorf("%d bytes of memory", grown)
			}
			if err := exchange(t, other, method, [][]byte{padded(size)}); err != nil {
				t.Errorf("another connection: %v", err)
			}
			conn.Close()
			until(t, "nothing claimed", func() bool { return s.callers.backlog.bytes.Load() == 0 && s.gate.arriving.Load() == 0 })
		})
	}
}

// answered returns how many look-ups succeeded.
func answered(s *Sidecar) (n uint64) {
	d := s.routes.Load().datasets["usage"]
	return d.stats.calls(kindGet)[codes.OK] + d.stats.calls(kindGenericGet)[codes.OK]
}

// TestManyUnfinishedRequests begins more calls without a request than there may
// be: another connection still makes its own.
func TestManyUnfinishedRequests(t *testing.T) {
	s := paddedServing(t, func(l *Limits) { l.MaxCalls = 20 })
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := newDeafClient(t, conn)
	for i := range uint32(40) {
		client.begin(t, 2*i+1, getMethods[i%2])
	}
	until(t, "refused calls", func() bool { return s.gate.refusals[refusedByCalls].Load() == 30 })
	if n := s.gate.arriving.Load(); n != 10 {
		t.Errorf("%d requests of one connection arrive, want half of 20", n)
	}
	if err := exchange(t, dial(t, s.Addr()), getMethods[0], [][]byte{padded(0)}); err != nil {
		t.Errorf("another connection: %v", err)
	}
}

// TestOneRequest sends two requests where there is one answer, and one without an
// end: nothing of what follows the first is kept for as long as the caller likes.
func TestOneRequest(t *testing.T) {
	s := paddedServing(t, func(l *Limits) { l.MaxStall = 200 * time.Millisecond })
	conn := dial(t, s.Addr())
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	for _, method := range getMethods {
		err := exchange(t, conn, method, [][]byte{padded(0), padded(100)})
		fails(t, method, err, codes.InvalidArgument, "MALFORMED_REQUEST", "more than one message")
		stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method, grpc.ForceCodecV2(newCodec()))
		if err != nil {
			t.Fatal(err)
		}
		request := padded(0)
		if err := stream.SendMsg(&raw{answer: &request}); err != nil {
			t.Fatal(err)
		}
		fails(t, method+" without an end", stream.RecvMsg(new(raw)), codes.ResourceExhausted, "TOO_SLOW", "limits.max_stall")
	}
	if _, text := fetch(t, s, "/metrics"); !strings.Contains(text, `holdfast_calls_refused_total{limit="max_stall"} 2`) {
		t.Error("the metrics do not count requests that do not arrive")
	}
}

// TestLargeRequests sends requests of all sizes, compressed and not: those within
// the limits are answered, and the memory of the others is never taken.
func TestLargeRequests(t *testing.T) {
	s := paddedServing(t, func(l *Limits) { l.MaxPendingBytes = 20 << 20 })
	conn := dial(t, s.Addr())
	for _, options := range [][]grpc.CallOption{nil, {grpc.UseCompressor(gzip.Name)}} {
		for _, method := range getMethods {
			for _, n := range []int{0, piece, smallRequest, 100_000, 1 << 20} {
				if err := exchange(t, conn, method, [][]byte{padded(n)}, options...); err != nil {
					t.Errorf("%s, %d bytes: %v", method, n, err)
				}
			}
			err := exchange(t, conn, method, [][]byte{padded(4 << 20)}, options...)
			fails(t, method, err, codes.ResourceExhausted, "LIMIT", "limits.max_message_bytes")
		}
		err := exchange(t, conn, getMethods[1], [][]byte{padded(3 << 20)}, options...)
		fails(t, "a request to decode", err, codes.ResourceExhausted, "LIMIT", "limits.max_pending_bytes")
	}
	until(t, "nothing claimed", func() bool { return s.callers.backlog.bytes.Load() == 0 && s.gate.arriving.Load() == 0 })
}

// TestWindow holds that the transport keeps so much of a stream that is not read,
// and no more for a caller that sends much: an estimate of the bandwidth, which
// raises the window, is made only where the size is not fixed.
func TestWindow(t *testing.T) {
	s := paddedServing(t, func(*Limits) {})
	conn, err := net.Dial("tcp", s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	client := newDeafClient(t, conn)
	for {
		frame, err := client.framer.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		settings, ok := frame.(*http2.SettingsFrame)
		if !ok || settings.IsAck() {
			continue
		}
		if window, ok := settings.Value(http2.SettingInitialWindowSize); !ok || window != streamBytes {
			t.Errorf("the window of a stream has %d bytes, said: %v, want %d", window, ok, streamBytes)
		}
		return
	}
}
