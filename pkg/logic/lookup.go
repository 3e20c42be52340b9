package logic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// keyVersion is the metadata that says what an answer was read at.
const keyVersion = "holdfast-version"

// errAbsent says that a look-up found nothing.
var errAbsent = errors.New("no record has this key")

// failures says which gRPC code and which reason a cause has.
var failures = []struct {
	cause  error
	code   codes.Code
	reason string
}{
	{errAbsent, codes.NotFound, "RECORD_NOT_FOUND"},
	{ErrNotInSession, codes.FailedPrecondition, "NOT_IN_SESSION"},
	{ErrOutput, codes.InvalidArgument, "OUTPUT_REFUSED"},
	{protomap.ErrBadKey, codes.InvalidArgument, "BAD_KEY"},
	{errPhase, codes.FailedPrecondition, "BAD_PHASE"},
	{errSession, codes.Unauthenticated, "NO_SESSION"},
}

// toStatus gives an error its gRPC code, with an ErrorInfo for programs.
func toStatus(err error) error {
	if err == nil {
		return nil
	}
	code, reason := codes.Internal, "INTERNAL"
	for _, f := range failures {
		if errors.Is(err, f.cause) {
			code, reason = f.code, f.reason
			break
		}
	}
	s := status.New(code, err.Error())
	if detailed, err := s.WithDetails(&errdetails.ErrorInfo{Reason: reason, Domain: "holdfast"}); err == nil {
		s = detailed
	}
	return s.Err()
}

// lookup is the service holdfast.v1.Lookup over the views of a session, and the
// typed services of their datasets. What the session does not hold fails the
// run, because a logic that goes on without it would decide on a default.
type lookup struct {
	holdfastv1.UnimplementedLookupServer
	host  *host
	typed map[string]typed // by full method
}

// typed is a method of a typed service.
type typed struct {
	view   *replica.View
	method protoreflect.MethodDescriptor
}

func newLookup(h *host) (*lookup, error) {
	l := &lookup{host: h, typed: map[string]typed{}}
	for _, in := range h.session.Inputs() {
		v, err := h.session.View(in.Dataset)
		if err != nil {
			return nil, err
		}
		if v.Derived {
			continue // its owner declared no messages
		}
		file, err := protomap.Redeclare(v.Mapping, in.Dataset)
		if err != nil {
			return nil, fmt.Errorf("serve session: %w", err)
		}
		methods := file.Services().Get(0).Methods()
		for i := range methods.Len() {
			m := methods.Get(i)
			l.typed[fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())] = typed{v, m}
		}
	}
	return l, nil
}

// view returns what a look-up reads and says so in the answer's header.
func (l *lookup) view(ctx context.Context, name, version string) (*replica.View, error) {
	v, err := l.host.session.View(dataset.Name(name))
	if err == nil && version != "" && version != v.Version().String() {
		err = fmt.Errorf("read %s@%.20s: the session holds version %s: %w", name, version, v.Version(), ErrNotInSession)
	}
	if err != nil {
		return nil, l.host.fail(err)
	}
	// It fails only after the header is gone.
	_ = grpc.SetHeader(ctx, metadata.Pairs(keyVersion, v.Version().String()))
	return v, nil
}

// record returns a record in all its forms.
func record(v *replica.View, r state.Record) (*holdfastv1.Record, error) {
	message, err := v.Mapping.Append(nil, r)
	if err != nil {
		return nil, toStatus(err)
	}
	text, err := v.JSON(r)
	if err != nil {
		return nil, toStatus(err)
	}
	return &holdfastv1.Record{Type: v.Root().Schema().Name, Message: message, Json: string(text)}, nil
}

// byText returns the record with a key of texts, nil if there is none.
func byText(v *replica.View, texts []string) (*holdfastv1.Record, error) {
	key, err := v.Mapping.Key(texts)
	if err != nil {
		return nil, toStatus(err)
	}
	r, ok := v.Index.Record(key...)
	if !ok {
		return nil, nil
	}
	return record(v, r)
}

// Get implements holdfastv1.LookupServer.
func (l *lookup) Get(ctx context.Context, in *holdfastv1.GetRequest) (*holdfastv1.GetResponse, error) {
	v, err := l.view(ctx, in.GetDataset(), in.GetVersion())
	if err != nil {
		return nil, err
	}
	r, err := byText(v, in.GetKey())
	if err != nil {
		return nil, err
	}
	if r == nil {
		return nil, toStatus(fmt.Errorf("dataset %s: %w", in.GetDataset(), errAbsent))
	}
	return &holdfastv1.GetResponse{Version: v.Version().String(), Record: r}, nil
}

// BatchGet implements holdfastv1.LookupServer.
func (l *lookup) BatchGet(ctx context.Context, in *holdfastv1.BatchGetRequest) (*holdfastv1.BatchGetResponse, error) {
	v, err := l.view(ctx, in.GetDataset(), in.GetVersion())
	if err != nil {
		return nil, err
	}
	out := &holdfastv1.BatchGetResponse{Version: v.Version().String()}
	for _, key := range in.GetKeys() {
		r, err := byText(v, key.GetValues())
		if err != nil {
			return nil, err
		}
		out.Results = append(out.Results, &holdfastv1.BatchGetResult{Record: r})
	}
	return out, nil
}

// List implements holdfastv1.LookupServer.
func (l *lookup) List(in *holdfastv1.ListRequest, stream grpc.ServerStreamingServer[holdfastv1.Record]) error {
	v, err := l.view(stream.Context(), in.GetDataset(), in.GetVersion())
	if err != nil {
		return err
	}
	sent := uint64(0)
	for o := range v.Root().Ordinals() {
		r, err := record(v, v.Root().Record(o))
		if err != nil {
			return err
		}
		if err := stream.Send(r); err != nil {
			return err
		}
		if sent++; sent == in.GetLimit() {
			break
		}
	}
	return nil
}

// Datasets implements holdfastv1.LookupServer.
func (l *lookup) Datasets(context.Context, *holdfastv1.DatasetsRequest) (*holdfastv1.DatasetsResponse, error) {
	out := &holdfastv1.DatasetsResponse{}
	for _, in := range l.host.session.Inputs() {
		v, err := l.host.session.View(in.Dataset)
		if err != nil {
			return nil, toStatus(err)
		}
		info := &holdfastv1.DatasetInfo{Name: string(in.Dataset), Required: true, Root: v.Root().Schema().Name, Key: slices.Clone(v.Index.Paths())}
		for _, t := range l.typed {
			if t.view == v {
				info.Service = string(t.method.Parent().FullName())
			}
		}
		out.Datasets = append(out.Datasets, info)
	}
	return out, nil
}

// handle answers the calls of the typed services.
func (l *lookup) handle(_ any, stream grpc.ServerStream) error {
	name, _ := grpc.MethodFromServerStream(stream)
	t, ok := l.typed[name]
	if !ok {
		return l.host.fail(fmt.Errorf("call %.200s: %w", name, ErrNotInSession))
	}
	if err := stream.SetHeader(metadata.Pairs(keyVersion, t.view.Version().String())); err != nil {
		return err
	}
	request := dynamicpb.NewMessage(t.method.Input())
	if err := stream.RecvMsg(request); errors.Is(err, io.EOF) {
		return status.Error(codes.InvalidArgument, "the request is missing")
	} else if err != nil {
		return err
	}
	first := request.Descriptor().Fields().ByNumber(1)
	switch {
	case t.method.IsStreamingServer():
		return t.list(stream)
	case first != nil && first.IsList() && first.Message() != nil:
		return t.batch(stream, request.Get(first).List())
	}
	b, err := t.find(request)
	if err == nil && b == nil {
		err = errAbsent
	}
	if err != nil {
		return toStatus(err)
	}
	return stream.SendMsg(encoded(b))
}

// encoded returns a message that has these bytes on the wire.
func encoded(b []byte) proto.Message {
	m := &emptypb.Empty{}
	m.ProtoReflect().SetUnknown(b)
	return m
}

// find returns the encoded record that a request names, nil if there is none.
func (t typed) find(request protoreflect.Message) ([]byte, error) {
	key, err := t.view.Mapping.RequestKey(request)
	if err != nil {
		return nil, err
	}
	r, ok := t.view.Index.Record(key...)
	if !ok {
		return nil, nil
	}
	return t.view.Mapping.Append([]byte{}, r)
}

func (t typed) list(stream grpc.ServerStream) error {
	for o := range t.view.Root().Ordinals() {
		b, err := t.view.Mapping.Append(nil, t.view.Root().Record(o))
		if err != nil {
			return toStatus(err)
		}
		if err := stream.SendMsg(encoded(b)); err != nil {
			return err
		}
	}
	return nil
}

// batch answers a request whose field 1 holds the keys.
func (t typed) batch(stream grpc.ServerStream, keys protoreflect.List) error {
	answer := dynamicpb.NewMessage(t.method.Output())
	field := answer.Descriptor().Fields().ByNumber(1)
	results := answer.Mutable(field).List()
	for i := range keys.Len() {
		b, err := t.find(keys.Get(i).Message())
		if err != nil {
			return toStatus(fmt.Errorf("key %d: %w", i+1, err))
		}
		result := results.AppendMutable().Message()
		if b == nil {
			continue
		}
		record := result.Mutable(result.Descriptor().Fields().ByNumber(1)).Message()
		if err := proto.Unmarshal(b, record.Interface()); err != nil {
			return toStatus(err)
		}
	}
	return stream.SendMsg(answer)
}
