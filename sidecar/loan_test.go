package sidecar

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/stats"

	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// keeper is a stream whose transport keeps what it is sent, as if it waited, or
// as if it was forgotten.
type keeper struct {
	*wireless
	kept  mem.BufferSlice
	onPut func() // when it is sent, before the transport has it
}

func (k *keeper) SendMsg(m any) (err error) {
	k.onPut()
	k.kept, err = k.codec.Marshal(m)
	return err
}

// TestLoans sends an answer whose call is cancelled before or after the transport
// has it, by each layer that answers: what may be forgotten counts no more, what
// waits does, and nothing counts twice when it is given back.
func TestLoans(t *testing.T) {
	s := serving(t)
	ways := map[string]func(grpc.ServerStream) error{
		"typed": func(stream grpc.ServerStream) error { return s.handle(nil, stream) },
		"registered": func(stream grpc.ServerStream) error {
			info := &grpc.StreamServerInfo{FullMethod: holdfastv1.Lookup_Get_FullMethodName}
			return s.gate.stream(nil, stream, info, func(_ any, stream grpc.ServerStream) error {
				return stream.SendMsg(&holdfastv1.GetResponse{Version: "1"})
			})
		},
	}
	for way, answer := range ways {
		for _, early := range []bool{false, true} {
			from := &caller{user: newUser("test", s.cfg.Limits), backlog: &s.callers.backlog}
			k := &keeper{wireless: newWireless(t), onPut: func() {}}
			ctx, cancel := context.WithCancel(peer.NewContext(k.ctx, &peer.Peer{AuthInfo: from}))
			k.ctx = ctx
			if early {
				k.onPut = cancel
			}
			if err := answer(k); err != nil {
				t.Fatalf("%s: %v", way, err)
			}
			cancel()
			if got := from.pending.Load(); (got == 0) != early || got != s.callers.backlog.bytes.Load() {
				t.Errorf("%s, cancelled before it was sent %v: %d bytes of the caller count, of all %d", way, early, got, s.callers.backlog.bytes.Load())
			}
			k.kept.Free()
			if got, all := from.pending.Load(), s.callers.backlog.bytes.Load(); got != 0 || all != 0 {
				t.Errorf("%s, cancelled before it was sent %v: given back, and %d bytes of the caller count, of all %d", way, early, got, all)
			}
		}
	}
}

// holding stops calls of Get between the moment in which the transport finds
// them alive and the one in which it queues their answers.
type holding struct{ held, proceed chan struct{} }

type methodKey struct{}

func (*holding) TagRPC(ctx context.Context, i *stats.RPCTagInfo) context.Context {
	return context.WithValue(ctx, methodKey{}, i.FullMethodName)
}
func (*holding) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (*holding) HandleConn(context.Context, stats.ConnStats)                       {}

func (h *holding) HandleRPC(ctx context.Context, s stats.RPCStats) {
	if _, ok := s.(*stats.OutHeader); ok && ctx.Value(methodKey{}) == holdfastv1.Lookup_Get_FullMethodName {
		h.held <- struct{}{}
		<-h.proceed
	}
}

// TestCancelledGets cancels look-ups on one connection while their answers are
// handed to the transport, which forgets them: nothing of them counts as waiting
// to be sent as long as that lives, and it is not closed as one that is not read.
func TestCancelledGets(t *testing.T) {
	const calls = 20
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(`{"region":"R1","shares":[{"browser":"` + strings.Repeat("x", 8000) + `"}]}`)
	s := start(t, testConfig(store, "usage"))
	untilReady(t, s)
	h := &holding{make(chan struct{}), make(chan struct{})}
	server := grpc.NewServer(grpc.Creds(s.callers), grpc.ForceServerCodecV2(newCodec()), grpc.WaitForHandlers(true),
		grpc.ChainStreamInterceptor(s.gate.stream), grpc.StatsHandler(h))
	holdfastv1.RegisterLookupServer(registrar{server}, &generic{s: s})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(server.Stop)
	lookups := holdfastv1.NewLookupClient(dial(t, l.Addr().String()))
	for range calls {
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			_, err := lookups.Get(ctx, &holdfastv1.GetRequest{Dataset: "usage", Key: []string{"R1"}})
			ended <- err
		}()
		<-h.held
		cancel()
		if err := <-ended; err == nil {
			t.Fatal("a cancelled call is answered")
		}
		// Frames are read in order: the server has seen the cancellation before.
		if _, err := lookups.Datasets(t.Context(), &holdfastv1.DatasetsRequest{}); err != nil {
			t.Fatal(err)
		}
		h.proceed <- struct{}{}
	}
	until(t, "nothing waiting to be sent", func() bool { return s.callers.backlog.bytes.Load() == 0 })
	for hours := range 3 {
		if n := s.callers.sweep(time.Now().Add(time.Duration(hours) * time.Hour)); n != 0 {
			t.Errorf("%d connections that wait for nothing are closed", n)
		}
	}
}
