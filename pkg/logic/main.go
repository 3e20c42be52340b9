package logic

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// batchSize is how many bytes of records go into one message.
const batchSize = 256 << 10

// Main makes a command of f: it runs it on the session that the environment
// names and hands in its output, then it ends the process, with exit code 0 if
// all went well. It is all that the main of such a program calls.
func Main(f Func) {
	if err := runCommand(context.Background(), f); err != nil {
		fmt.Fprintln(os.Stderr, "logic:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func runCommand(ctx context.Context, f Func) error {
	address, token := os.Getenv(EnvAddress), os.Getenv(EnvSession)
	if address == "" || token == "" {
		return fmt.Errorf("%s and %s are not set: this program is run by holdfast, such as by \"holdfast replay … -- %s\"",
			EnvAddress, EnvSession, os.Args[0])
	}
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxMessage), grpc.MaxCallSendMsgSize(maxMessage)))
	if err != nil {
		return fmt.Errorf("dial session: %w", err)
	}
	defer conn.Close()
	ctx, cancel := context.WithCancel(metadata.AppendToOutgoingContext(ctx, keySession, token))
	defer cancel()
	service := holdfastv1.NewLogicClient(conn)
	if err = runOn(ctx, conn, service, f); err != nil {
		// The host learns it from the exit code, too.
		_, _ = service.Abort(ctx, &holdfastv1.AbortRequest{Reason: err.Error()})
	}
	return err
}

// runOn begins, runs f and commits.
func runOn(ctx context.Context, conn *grpc.ClientConn, service holdfastv1.LogicClient, f Func) error {
	begin, err := service.Begin(ctx, &holdfastv1.BeginRequest{})
	if err != nil {
		return fmt.Errorf("begin: %w", err)
	}
	from, err := newRemote(ctx, conn, begin)
	if err != nil {
		return err
	}
	stream, err := service.Emit(ctx)
	if err != nil {
		return fmt.Errorf("emit: %w", err)
	}
	declared, err := messageOf(begin.GetDescriptorSet(), begin.GetMessage())
	if err != nil {
		return fmt.Errorf("begin: output %s: %w", begin.GetOutput(), err)
	}
	out := &emitter{stream: stream, declared: declared}
	s := &Session{from: from, clock: begin.GetClock().AsTime(), seed: dataset.Seed(begin.GetSeed())}
	if err := f(ctx, s, out.emit); err != nil {
		return err
	}
	if err := s.missed(); err != nil {
		return err
	}
	if err := out.close(); err != nil {
		return err
	}
	if _, err := service.Commit(ctx, &holdfastv1.CommitRequest{Records: &out.records}); err != nil {
		return fmt.Errorf("commit: %w", err)
	}
	return nil
}

// emitter sends records in batches.
type emitter struct {
	stream  grpc.ClientStreamingClient[holdfastv1.EmitRequest, holdfastv1.EmitResponse]
	batch   holdfastv1.EmitRequest
	size    int
	records uint64

	declared, fit protoreflect.MessageDescriptor // the output's, and the last one that was found to fit
	refused       error
}

func (e *emitter) emit(m proto.Message) error {
	if d := m.ProtoReflect().Descriptor(); d != e.fit && e.refused == nil {
		e.refused = miswritten(d, e.declared)
		e.fit = d
	}
	if e.refused != nil {
		return e.refused
	}
	b, err := proto.Marshal(m)
	if err != nil {
		return fmt.Errorf("emit record: %w", err)
	}
	e.batch.Records = append(e.batch.Records, &holdfastv1.OutputRecord{Form: &holdfastv1.OutputRecord_Message{Message: b}})
	e.records++
	if e.size += len(b); e.size < batchSize {
		return nil
	}
	return e.flush()
}

func (e *emitter) flush() error {
	err := e.stream.Send(&e.batch)
	if errors.Is(err, io.EOF) { // the reason comes with the answer
		_, err = e.stream.CloseAndRecv()
	}
	if err != nil {
		return fmt.Errorf("emit: %w", err)
	}
	e.batch.Records, e.size = nil, 0
	return nil
}

func (e *emitter) close() error {
	if e.refused != nil {
		return e.refused
	}
	if err := e.flush(); err != nil {
		return err
	}
	if _, err := e.stream.CloseAndRecv(); err != nil {
		return fmt.Errorf("emit: %w", err)
	}
	return nil
}

// remote reads a session that is with the host.
type remote struct {
	ctx   context.Context // of the process's one run
	conn  *grpc.ClientConn
	have  []dataset.Input
	begun map[dataset.Name]*holdfastv1.SessionInput
	lists map[dataset.Name]string // the typed methods that list records
}

var _ reader = (*remote)(nil)

func newRemote(ctx context.Context, conn *grpc.ClientConn, begin *holdfastv1.BeginResponse) (*remote, error) {
	r := &remote{ctx: ctx, conn: conn, begun: map[dataset.Name]*holdfastv1.SessionInput{}, lists: map[dataset.Name]string{}}
	for _, x := range begin.GetInputs() {
		in := dataset.Input{Dataset: dataset.Name(x.GetDataset())}
		var err error
		if in.Version, err = dataset.ParseVersion(x.GetVersion()); err == nil {
			in.Checksum, err = dataset.ParseDigest(x.GetChecksum())
		}
		if err != nil {
			return nil, fmt.Errorf("begin: input %s: %w", in.Dataset, err)
		}
		r.have = append(r.have, in)
		r.begun[in.Dataset] = x
	}
	known, err := holdfastv1.NewLookupClient(conn).Datasets(ctx, &holdfastv1.DatasetsRequest{})
	if err != nil {
		return nil, fmt.Errorf("begin: %w", err)
	}
	for _, d := range known.GetDatasets() {
		if service := d.GetService(); service != "" {
			name := service[strings.LastIndexByte(service, '.')+1:]
			r.lists[dataset.Name(d.GetName())] = "/" + service + "/List" + strings.TrimSuffix(name, "Service")
		}
	}
	return r, nil
}

func (r *remote) inputs() []dataset.Input { return slices.Clone(r.have) }

func (r *remote) view(n dataset.Name) (*replica.View, error) {
	return nil, fmt.Errorf("read dataset %s: %w", n, ErrNoView)
}

func (r *remote) message(n dataset.Name) (protoreflect.MessageDescriptor, error) {
	in := r.begun[n]
	if in == nil {
		return nil, nil // a call for it fails, and tells the host
	}
	m, err := messageOf(in.GetDescriptorSet(), in.GetMessage())
	if err != nil {
		return nil, fmt.Errorf("read dataset %s: %w", n, err)
	}
	return m, nil
}

// messageOf returns a message of a FileDescriptorSet, nil if there is no set.
func messageOf(set []byte, name string) (protoreflect.MessageDescriptor, error) {
	if len(set) == 0 {
		return nil, nil
	}
	var files descriptorpb.FileDescriptorSet
	if err := proto.Unmarshal(set, &files); err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	known, err := protodesc.NewFiles(&files)
	if err != nil {
		return nil, fmt.Errorf("read schema: %w", err)
	}
	d, err := known.FindDescriptorByName(protoreflect.FullName(name))
	if err != nil {
		return nil, fmt.Errorf("read schema: %s: %w", name, err)
	}
	m, ok := d.(protoreflect.MessageDescriptor)
	if !ok {
		return nil, fmt.Errorf("read schema: %s is no message", name)
	}
	return m, nil
}

func (r *remote) list(n dataset.Name, fresh func() proto.Message, use func() bool) error {
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	method := r.lists[n]
	if method == "" {
		return r.listGeneric(ctx, n, fresh, use)
	}
	stream, err := r.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, method)
	if err == nil {
		err = stream.SendMsg(&holdfastv1.StatusRequest{}) // an empty message
	}
	if err == nil {
		err = stream.CloseSend()
	}
	for err == nil {
		if err = stream.RecvMsg(fresh()); err == nil && !use() {
			return nil
		}
	}
	return r.failed(n, err)
}

func (r *remote) listGeneric(ctx context.Context, n dataset.Name, fresh func() proto.Message, use func() bool) error {
	stream, err := holdfastv1.NewLookupClient(r.conn).List(ctx, &holdfastv1.ListRequest{Dataset: string(n)})
	for err == nil {
		var record *holdfastv1.Record
		if record, err = stream.Recv(); err == nil {
			err = proto.Unmarshal(record.GetMessage(), fresh())
		}
		if err == nil && !use() {
			return nil
		}
	}
	return r.failed(n, err)
}

// failed words an error; that of a sequence's end is nil.
func (r *remote) failed(n dataset.Name, err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	if !slices.ContainsFunc(r.have, func(x dataset.Input) bool { return x.Dataset == n }) {
		return fmt.Errorf("read dataset %s: %w", n, ErrNotInSession)
	}
	return fmt.Errorf("read dataset %s: %w", n, err)
}

// maxKeys is how many keys one call looks up.
const maxKeys = 256

func (r *remote) get(n dataset.Name, keys [][]string, into []proto.Message) ([]bool, error) {
	var found []bool
	for from := 0; from < len(keys); from += maxKeys {
		to := min(from+maxKeys, len(keys))
		part, err := r.getPart(n, keys[from:to], into[from:to])
		if err != nil {
			return nil, r.failed(n, err)
		}
		found = append(found, part...)
	}
	return found, nil
}

func (r *remote) getPart(n dataset.Name, keys [][]string, into []proto.Message) ([]bool, error) {
	request := &holdfastv1.BatchGetRequest{Dataset: string(n)}
	for _, key := range keys {
		request.Keys = append(request.Keys, &holdfastv1.Key{Values: key})
	}
	answer, err := holdfastv1.NewLookupClient(r.conn).BatchGet(r.ctx, request)
	if status.Code(err) == codes.ResourceExhausted && len(keys) > 1 { // an answer of large records
		half := len(keys) / 2
		first, err := r.getPart(n, keys[:half], into[:half])
		if err != nil {
			return nil, err
		}
		second, err := r.getPart(n, keys[half:], into[half:])
		return append(first, second...), err
	}
	if err == nil && len(answer.GetResults()) != len(keys) {
		err = fmt.Errorf("%d results for %d keys", len(answer.GetResults()), len(keys))
	}
	if err != nil {
		return nil, err
	}
	found := make([]bool, len(keys))
	for i, result := range answer.GetResults() {
		if found[i] = result.GetRecord() != nil; !found[i] {
			continue
		}
		if err := proto.Unmarshal(result.GetRecord().GetMessage(), into[i]); err != nil {
			return nil, err
		}
	}
	return found, nil
}
