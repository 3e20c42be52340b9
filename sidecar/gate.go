package sidecar

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionalphapb "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// gate is what every call passes, of whatever service, by gRPC or HTTP: it
// counts the call in and out, and refuses what exceeds the limits. A service
// that is registered later passes it by itself, because it stands in the
// interceptors; only the typed look-ups come to it by handle, which no service
// is registered for.
type gate struct {
	limits Limits

	codec codec

	arriving atomic.Int64 // requests that have begun and not arrived

	calls    room // look-ups under way
	heavy    room // of them, those of classHeavy
	waits    room // of them, those that wait for a version
	standing room // calls that stay open

	refusals [refusalCount]atomic.Uint64
}

// class says what a call is counted as.
type class uint8

const (
	classLookup   class = iota
	classHeavy          // it reads much for its small request
	classStanding       // it stays open, and must not take the room of look-ups
	classProbe          // it takes no time; whoever floods must not make health fail
)

// heavyWeight is how many look-ups a heavy call counts as in a caller's rate.
const heavyWeight = 100

// classes has the classes of registered methods that are not look-ups.
var classes = map[string]class{
	holdfastv1.Lookup_Diff_FullMethodName:     classHeavy,
	holdfastv1.Lookup_Versions_FullMethodName: classHeavy,

	healthpb.Health_Check_FullMethodName: classProbe,
	healthpb.Health_List_FullMethodName:  classProbe,
	healthpb.Health_Watch_FullMethodName: classStanding,

	reflectionpb.ServerReflection_ServerReflectionInfo_FullMethodName:      classStanding,
	reflectionalphapb.ServerReflection_ServerReflectionInfo_FullMethodName: classStanding,
}

// The reasons to refuse a call, named after the limits in metrics.
const (
	refusedByCalls = iota
	refusedByHeavy
	refusedByRate
	refusedByPending
	refusalCount
)

var refusalNames = [refusalCount]string{"max_calls", "max_heavy_calls", "max_rate", "max_pending_bytes"}

// room is how many may be in at a time, and how many are.
type room struct {
	most int64
	now  atomic.Int64
}

func (r *room) enter() bool {
	if r.now.Add(1) <= r.most {
		return true
	}
	r.leave()
	return false
}

func (r *room) leave() { r.now.Add(-1) }

func newGate(l Limits) *gate {
	g := &gate{limits: l, codec: newCodec().withBatch(l.MaxBatch)}
	g.calls.most, g.heavy.most, g.standing.most = int64(l.MaxCalls), int64(l.MaxHeavyCalls), int64(l.MaxCalls)
	g.waits.most = max(1, int64(l.MaxCalls)/2)
	return g
}

// enter counts a call in at now, until leave, or refuses it.
func (g *gate) enter(from *caller, c class, now time.Time) error {
	if err := g.pace(from, c, now); err != nil {
		return err
	}
	switch c {
	case classStanding:
		if !g.standing.enter() {
			return g.refuse(refusedByCalls, errLimit, "more than %d calls that stay open (limits.max_calls)", g.standing.most)
		}
	case classLookup, classHeavy:
		if !g.calls.enter() {
			return g.refuse(refusedByCalls, errLimit, "more than %d look-ups under way (limits.max_calls)", g.calls.most)
		}
		if c == classHeavy && !g.heavy.enter() {
			g.calls.leave()
			return g.refuse(refusedByHeavy, errLimit, "more than %d diffs and lists of versions under way (limits.max_heavy_calls): try again", g.heavy.most)
		}
	}
	return nil
}

// pace counts a request of a caller, or refuses it.
func (g *gate) pace(from *caller, c class, now time.Time) error {
	if !from.allow(c, now) {
		return g.refuse(refusedByRate, errRate, "more than %d a second of this caller (limits.max_rate)", g.limits.MaxRate)
	}
	return g.drained(from)
}

// unread is why the first request of a call was not read. What is malformed counts as
// what is not, so that it takes no more of the sidecar than max_rate allows.
func (g *gate) unread(from *caller, c class, err error) error {
	if status.Code(err) != codes.InvalidArgument {
		return err
	}
	if refused := g.pace(from, c, time.Now()); refused != nil {
		return refused
	}
	return err
}

// drained refuses a caller that has too many answers to read.
func (g *gate) drained(from *caller) error {
	if from.full() {
		return g.noRoom(from, leastCost)
	}
	return nil
}

func (g *gate) refuse(why int, cause error, format string, most any) error {
	g.refusals[why].Add(1)
	return toStatus(fmt.Errorf("%w: "+format, cause, most))
}

// leave counts a call out.
func (g *gate) leave(c class) {
	switch c {
	case classStanding:
		g.standing.leave()
	case classHeavy:
		g.heavy.leave()
		g.calls.leave()
	case classLookup:
		g.calls.leave()
	}
}

// answer encodes an answer, so that it is bounded and counts as pending until
// the caller has read it. Records of lists come encoded and counted.
func (g *gate) answer(message any, x *claim) (*raw, error) {
	m, ok := message.(proto.Message)
	if !ok {
		return message.(*raw), nil
	}
	size := proto.Size(m)
	if size > g.limits.MaxAnswerBytes {
		return nil, toStatus(fmt.Errorf("%w: the answer has %d bytes, at most %d are allowed (limits.max_answer_bytes)", errLimit, size, g.limits.MaxAnswerBytes))
	}
	if err := x.make(int64(size)); err != nil {
		return nil, err
	}
	b := buffers.Get(size)
	encoded, err := proto.MarshalOptions{UseCachedSize: true}.MarshalAppend((*b)[:0], m)
	if err != nil {
		buffers.Put(b)
		return nil, toStatus(fmt.Errorf("encode answer: %w", err))
	}
	*b = encoded
	out := new(raw)
	return out, g.lend(out, b, x)
}

// uncompressed keeps gRPC from compressing the answers of a call whose request
// is compressed: what it makes of them would be pending without being counted.
func uncompressed(ctx context.Context) {
	s, ok := grpc.ServerTransportStreamFromContext(ctx).(interface{ SendCompress() string })
	if ok && s.SendCompress() != "" {
		_ = grpc.SetSendCompressor(ctx, encoding.Identity) // fails only after the header is gone
	}
}

// stream is the interceptor of registered methods.
func (g *gate) stream(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	uncompressed(stream.Context())
	x := &gatedStream{ServerStream: stream, gate: g, from: callerOf(stream.Context()), class: classes[info.FullMethod], follows: info.IsClientStream}
	x.claim.gate, x.claim.of = g, x.from
	x.ctx = withClaim(stream.Context(), &x.claim)
	defer func() {
		x.claim.close()
		if x.entered {
			g.leave(x.class)
		}
	}()
	return handler(srv, x)
}

// gatedStream passes the gate when its first request has arrived, as other calls
// do, and counts each further one in the caller's rate.
type gatedStream struct {
	grpc.ServerStream
	arrival
	ctx     context.Context // with the claim
	gate    *gate
	from    *caller
	class   class
	follows bool // further requests may come
	entered bool
}

// Context implements grpc.ServerStream.
func (x *gatedStream) Context() context.Context { return x.ctx }

// RecvMsg implements grpc.ServerStream.
func (x *gatedStream) RecvMsg(m any) error {
	if x.entered {
		if err := x.gate.next(x.ServerStream, &x.arrival, m); err != nil {
			return err
		}
		return x.gate.pace(x.from, x.class, time.Now())
	}
	if err := x.gate.read(x.ServerStream, &x.arrival, m, x.follows); err != nil {
		return x.gate.unread(x.from, x.class, err)
	}
	err := x.gate.enter(x.from, x.class, time.Now())
	x.entered = err == nil
	return err
}

// SendMsg implements grpc.ServerStream.
func (x *gatedStream) SendMsg(m any) error {
	out, err := x.gate.answer(m, &x.claim)
	if err != nil {
		return err
	}
	return out.send(x.ServerStream)
}

// gateHTTP is the gate of the admin server: who asks is its host.
func (s *Sidecar) gateHTTP(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c := classProbe
		if strings.HasPrefix(r.URL.Path, "/datasets/") {
			c = classLookup
		}
		if err := s.gate.enter(s.callers.remote(r.RemoteAddr), c, time.Now()); err != nil {
			writeError(w, err)
			return
		}
		defer s.gate.leave(c)
		next.ServeHTTP(w, r)
	})
}
