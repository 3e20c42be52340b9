package sidecar

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionalphapb "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// How connections are treated.
const (
	streamWorkers    = 64               // goroutines that keep their grown stacks
	headerBytes      = 16 << 10         // of a request
	streamBytes      = 64 << 10         // that are not read yet, at most; a fixed size is not raised for who sends much
	connBytes        = 1 << 20          // between two acknowledgements, which do not wait until they are read
	handshakeTimeout = 10 * time.Second // of a new connection
	minPing          = 10 * time.Second // between a client's pings
	pingAfter        = time.Minute      // of silence, to find dead clients
	pingTimeout      = 20 * time.Second
)

// newServer returns the gRPC server with everything registered.
func (s *Sidecar) newServer() (*grpc.Server, *health.Server) {
	logger := logging.LoggerFunc(func(ctx context.Context, level logging.Level, text string, fields ...any) {
		s.log.Log(ctx, slog.Level(level), text, fields...)
	})
	onLog := []logging.Option{logging.WithLogOnEvents(logging.FinishCall), logging.WithLevels(callLevel)}
	onPanic := recovery.WithRecoveryHandlerContext(func(ctx context.Context, p any) error {
		method, _ := grpc.Method(ctx)
		return toStatus(s.panicked(method, p))
	})
	server := grpc.NewServer(
		grpc.Creds(s.callers),
		grpc.ForceServerCodecV2(s.gate.codec),
		grpc.UnknownServiceHandler(s.handle),
		grpc.InTapHandle(tapHeader),
		grpc.NumStreamWorkers(streamWorkers),
		grpc.WaitForHandlers(true),
		grpc.MaxRecvMsgSize(s.cfg.Limits.MaxMessageBytes),
		grpc.MaxConcurrentStreams(uint32(s.cfg.Limits.MaxStreams)),
		grpc.MaxHeaderListSize(headerBytes),
		grpc.InitialWindowSize(streamBytes),
		grpc.InitialConnWindowSize(connBytes),
		grpc.ConnectionTimeout(handshakeTimeout),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minPing, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{Time: pingAfter, Timeout: pingTimeout}),
		grpc.ChainStreamInterceptor(
			registered(logging.StreamServerInterceptor(logger, onLog...)), registered(recovery.StreamServerInterceptor(onPanic)), registered(s.gate.stream)),
	)
	live := health.NewServer()
	services := registrar{server}
	healthpb.RegisterHealthServer(services, live)
	holdfastv1.RegisterLookupServer(services, &generic{s: s})
	holdfastv1.RegisterSessionsServer(services, &sessions{s: s})
	shown := reflection.ServerOptions{
		Services: &shown{s, server}, DescriptorResolver: resolver{s}, ExtensionResolver: resolver{s},
	}
	reflectionpb.RegisterServerReflectionServer(server, reflection.NewServerV1(shown))
	reflectionalphapb.RegisterServerReflectionServer(server, reflection.NewServer(shown))
	return server, live
}

// registrar registers the unary methods of services as streams of one answer, so
// that the gate sees how a request is read and how the answer is sent: unary
// interceptors are called after the one and before the other. On the wire both
// are the same.
type registrar struct{ server *grpc.Server }

// RegisterService implements grpc.ServiceRegistrar.
func (r registrar) RegisterService(desc *grpc.ServiceDesc, impl any) {
	own := *desc
	own.Methods, own.Streams = nil, slices.Clone(desc.Streams)
	for _, m := range desc.Methods {
		own.Streams = append(own.Streams, grpc.StreamDesc{StreamName: m.MethodName, ServerStreams: true, Handler: func(srv any, stream grpc.ServerStream) error {
			out, err := m.Handler(srv, stream.Context(), stream.RecvMsg, nil)
			if err != nil {
				return err
			}
			return stream.SendMsg(out)
		}})
	}
	r.server.RegisterService(&own, impl)
}

// registered keeps an interceptor off the typed look-ups, which have a layer of
// their own.
func registered(i grpc.StreamServerInterceptor) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		if strings.HasPrefix(info.FullMethod, "/"+dataPackage) {
			return handler(srv, stream)
		}
		return i(srv, stream, info, handler)
	}
}

// callLevel is the level at which the end of a call is logged: only the
// sidecar's own faults are an operator's business.
func callLevel(code codes.Code) logging.Level {
	switch code {
	case codes.Internal, codes.Unknown, codes.DataLoss:
		return logging.LevelError
	}
	return logging.LevelDebug
}

// updateHealth tells gRPC's health service what is ready: "" is the sidecar,
// and each dataset has its own name and that of its typed service. Services
// that old had and that are gone are unknown.
func (s *Sidecar) updateHealth(old *routes) {
	set := func(name string, ready bool) {
		status := healthpb.HealthCheckResponse_NOT_SERVING
		if ready {
			status = healthpb.HealthCheckResponse_SERVING
		}
		s.health.SetServingStatus(name, status)
	}
	t := s.routes.Load()
	all := true
	for name, d := range t.datasets {
		ready := s.ready(t, d) == nil
		all = all && (ready || !d.declared.Required)
		set(string(name), ready)
		if p := t.plans[name]; p != nil {
			set(string(p.service.FullName()), ready)
		}
	}
	for name := range old.services {
		if _, ok := t.services[name]; !ok {
			s.health.SetServingStatus(name, healthpb.HealthCheckResponse_SERVICE_UNKNOWN)
		}
	}
	for name := range old.datasets {
		if t.datasets[name] == nil {
			s.health.SetServingStatus(string(name), healthpb.HealthCheckResponse_SERVICE_UNKNOWN)
		}
	}
	set("", all)
	set(holdfastv1.Lookup_ServiceDesc.ServiceName, all)
	set(holdfastv1.Sessions_ServiceDesc.ServiceName, all)
}

// shown lists for reflection what is registered and what is served typed.
type shown struct {
	s      *Sidecar
	server *grpc.Server
}

// GetServiceInfo implements reflection.ServiceInfoProvider.
func (l *shown) GetServiceInfo() map[string]grpc.ServiceInfo {
	all := l.server.GetServiceInfo()
	for name, info := range l.s.routes.Load().services {
		all[name] = info
	}
	return all
}

// resolver answers reflection by the routing table of the moment.
type resolver struct{ s *Sidecar }

var (
	_ protodesc.Resolver           = resolver{}
	_ reflection.ExtensionResolver = resolver{}
)

func (r resolver) FindFileByPath(path string) (protoreflect.FileDescriptor, error) {
	return r.s.routes.Load().FindFileByPath(path)
}

func (r resolver) FindDescriptorByName(name protoreflect.FullName) (protoreflect.Descriptor, error) {
	return r.s.routes.Load().FindDescriptorByName(name)
}

func (r resolver) FindExtensionByName(name protoreflect.FullName) (protoreflect.ExtensionType, error) {
	return protoregistry.GlobalTypes.FindExtensionByName(name)
}

func (r resolver) FindExtensionByNumber(message protoreflect.FullName, n protoreflect.FieldNumber) (protoreflect.ExtensionType, error) {
	return protoregistry.GlobalTypes.FindExtensionByNumber(message, n)
}

func (r resolver) RangeExtensionsByMessage(message protoreflect.FullName, f func(protoreflect.ExtensionType) bool) {
	protoregistry.GlobalTypes.RangeExtensionsByMessage(message, f)
}
