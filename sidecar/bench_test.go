package sidecar

import (
	"context"
	"io"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
)

// wireless is a stream without a network: what is left is the sidecar's own
// part of a look-up.
type wireless struct {
	ctx     context.Context
	request []byte
	codec   codec
	answers int
	bytes   int
}

// Method makes it a grpc.ServerTransportStream.
func (w *wireless) Method() string               { return "/holdfast.data.usage.UsageService/GetUsage" }
func (w *wireless) SetHeader(metadata.MD) error  { return nil }
func (w *wireless) SendHeader(metadata.MD) error { return nil }
func (w *wireless) SetTrailer(metadata.MD)       {}
func (w *wireless) Context() context.Context     { return w.ctx }
func (w *wireless) RecvMsg(m any) error {
	if w.request == nil {
		return io.EOF
	}
	return w.codec.Unmarshal(mem.BufferSlice{mem.SliceBuffer(w.request)}, m)
}

func (w *wireless) SendMsg(m any) error {
	b, err := w.codec.Marshal(m)
	if err != nil {
		return err
	}
	w.answers++
	w.bytes += b.Len()
	b.Free()
	return nil
}

// transport is the part that grpc.SetHeader finds in a context.
type transport struct{ *wireless }

func (transport) SetTrailer(metadata.MD) error { return nil }

func newWireless(t testing.TB) *wireless {
	w := &wireless{codec: newCodec(), request: []byte{0x0a, 2, 'R', '7'}}
	ctx := metadata.NewIncomingContext(t.Context(), metadata.MD{"user-agent": {"test"}})
	w.ctx = grpc.NewContextWithServerTransportStream(ctx, transport{w})
	return w
}

// BenchmarkGet is one typed look-up without the transport.
func BenchmarkGet(b *testing.B) {
	s := serving(b)
	w := newWireless(b)
	b.ReportAllocs()
	for b.Loop() {
		if err := s.handle(nil, w); err != nil {
			b.Fatal(err)
		}
	}
}

// TestGetAllocates keeps look-ups from allocating more than they do.
func TestGetAllocates(t *testing.T) {
	s := serving(t)
	w := newWireless(t)
	got := testing.AllocsPerRun(1000, func() {
		if err := s.handle(nil, w); err != nil {
			t.Fatal(err)
		}
	})
	t.Logf("%v allocations, %d bytes per answer", got, w.bytes/w.answers)
	if got > allocations {
		t.Errorf("a look-up allocates %v times", got)
	}
}
