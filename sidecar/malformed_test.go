package sidecar

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// TestMalformedRequests sends each method bytes that are no message: it is
// the caller's mistake, and no error in the log.
func TestMalformedRequests(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(3, 1)...)
	log := new(lines)
	s := startWith(t, testConfig(store, "usage"), Options{Logger: slog.New(slog.NewTextHandler(log, nil))})
	untilReady(t, s)
	conn := dial(t, s.Addr())
	for _, method := range everyMethod(s) {
		if strings.Contains(method, "None") { // there is none, whatever is asked
			continue
		}
		fails(t, method, sendMalformed(t, conn, method), codes.InvalidArgument, "MALFORMED_REQUEST", "request is malformed")
	}
	if text := log.String(); strings.Contains(text, "level=ERROR") {
		t.Errorf("log:\n%s", text)
	}
}

// sendMalformed sends bytes that are no message and returns what is answered.
func sendMalformed(t *testing.T, conn *grpc.ClientConn, method string) error {
	t.Helper()
	stream, err := conn.NewStream(t.Context(), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method, grpc.ForceCodecV2(newCodec()))
	if err != nil {
		t.Fatal(err)
	}
	request := []byte("\xff\xff\xff")
	_ = stream.SendMsg(&raw{answer: &request}) // fails if it is answered already
	_ = stream.CloseSend()
	return stream.RecvMsg(new(raw))
}

// TestMalformedRate sends malformed requests as fast as it can: they count in the rate
// of the caller as others do.
func TestMalformedRate(t *testing.T) {
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(3, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Limits.MaxRate = 4
	s := start(t, cfg)
	untilReady(t, s)
	conn := dial(t, s.Addr())
	for _, method := range everyMethod(s) {
		err := sendMalformed(t, conn, method)
		for n := 1; n < 4*otherRate && status.Code(err) != codes.ResourceExhausted; n++ { // the health service has that rate
			err = sendMalformed(t, conn, method)
		}
		fails(t, method, err, codes.ResourceExhausted, "RATE", "limits.max_rate")
	}
}

// TestMalformed has what gRPC says of requests that it answered itself.
func TestMalformed(t *testing.T) {
	fails(t, "cut short", malformed(status.Error(codes.Internal, "unexpected EOF")), codes.InvalidArgument, "MALFORMED_REQUEST", "unexpected EOF")
	for _, err := range []error{nil, io.EOF, status.Error(codes.Canceled, "x"), status.Error(codes.ResourceExhausted, "x")} {
		if got := malformed(err); !errors.Is(got, err) {
			t.Errorf("%v becomes %v", err, got)
		}
	}
}
