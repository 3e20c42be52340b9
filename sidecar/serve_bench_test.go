package sidecar

import (
	"context"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The bare echo: a registered unary method with default settings that does
// nothing.
var echoService = grpc.ServiceDesc{
	ServiceName: "bare.Echo", HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{MethodName: "Echo", Handler: func(_ any, _ context.Context, read func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
		in := new(wrapperspb.BytesValue)
		return in, read(in)
	}}},
}

// BenchmarkServe compares typed look-ups with a bare echo of as many bytes, in
// one process, over one connection on the loopback interface, 64 callers each.
// Run it with -count 5 or more, so that both alternate, and compare by benchstat;
// the processor time per call, of client and server together, is steadier than
// the time.
func BenchmarkServe(b *testing.B) {
	store := newStore(b)
	newProducer(b, store, "usage", usageProto).publish(`{"region":"R7","shares":[{"browser":"` + strings.Repeat("x", 280) + `"}]}`)
	s := start(b, testConfig(store, "usage"))
	untilReady(b, s)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	echo := grpc.NewServer()
	echo.RegisterService(&echoService, nil)
	go func() { _ = echo.Serve(l) }()
	b.Cleanup(echo.Stop)
	for _, c := range []struct{ name, address, method, request string }{
		{"echo", l.Addr().String(), "/bare.Echo/Echo", "\x0a\xac\x02" + strings.Repeat("x", 300)},
		{"get", s.Addr(), "/holdfast.data.usage.UsageService/GetUsage", "\x0a\x02R7"},
	} {
		b.Run(c.name, func(b *testing.B) { callTogether(b, c.address, c.method, c.request) })
	}
}

// used returns the processor time that the process has used.
func used() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// callTogether calls from 64 goroutines over one connection.
func callTogether(b *testing.B, address, method, request string) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	b.SetParallelism(32)
	before := used()
	b.ResetTimer()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			in := []byte(request)
			out := raw{}
			if err := conn.Invoke(context.Background(), method, &raw{answer: &in}, &out, grpc.ForceCodecV2(newCodec())); err != nil {
				b.Error(err)
				return
			}
			out.free()
		}
	})
	b.StopTimer()
	b.ReportMetric(float64((used()-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
}
