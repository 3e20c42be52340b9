package logic

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/dynamicpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// Reasons why a run has no output.
var (
	// ErrOutput says that a logic tried to write what is not its output: to
	// another dataset, by another schema, or what is no record.
	ErrOutput = errors.New("output is refused")
	// ErrAborted says that the logic gave up.
	ErrAborted = errors.New("the logic gave up")
	// ErrNotCommitted says that a command ended before its output was complete.
	ErrNotCommitted = errors.New("the command ended without a commit")
)

// maxOutput bounds what one run emits, in bytes of encoded messages.
const maxOutput = 4 << 30

// errPhase says that a call comes before Begin or after the end.
var errPhase = errors.New("the call does not fit the run")

// host is the service holdfast.v1.Logic for one run of a command.
type host struct {
	holdfastv1.UnimplementedLogicServer
	session *Session
	output  dataset.Name
	mapping *protomap.Mapping

	mu       sync.Mutex // held while a record is emitted
	emit     func(proto.Message) error
	begun    bool
	ended    bool // by Commit or Abort
	complete bool // by Commit
	streams  int  // under way
	broken   bool // a stream ended early
	records  uint64
	size     int
	fault    error // the first reason why there is no output
}

// fail notes why the run has no output, and returns it for the caller.
func (h *host) fail(err error) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.failLocked(err)
}

func (h *host) failLocked(err error) error {
	if h.fault == nil {
		h.fault = err
	}
	return toStatus(err)
}

// outcome returns why the run has no output, nil if it has one.
func (h *host) outcome() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.fault == nil && !h.complete {
		return ErrNotCommitted
	}
	return h.fault
}

// Begin implements holdfastv1.LogicServer.
func (h *host) Begin(_ context.Context, in *holdfastv1.BeginRequest) (*holdfastv1.BeginResponse, error) {
	for _, name := range in.GetInputs() {
		if _, err := h.session.View(dataset.Name(name)); err != nil {
			return nil, h.fail(err)
		}
	}
	if in.GetOutput() != "" && in.GetOutput() != string(h.output) {
		return nil, h.fail(fmt.Errorf("%w: the run is for dataset %s, not for %.64q", ErrOutput, h.output, in.GetOutput()))
	}
	if in.GetDescriptorSet() != nil && !bytes.Equal(in.GetDescriptorSet(), h.mapping.DescriptorSet()) {
		return nil, h.fail(fmt.Errorf("%w: the run has another schema of dataset %s than the logic", ErrOutput, h.output))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.begun {
		return nil, h.failLocked(fmt.Errorf("%w: it has begun already", errPhase))
	}
	h.begun = true
	out := &holdfastv1.BeginResponse{
		Clock: timestamppb.New(h.session.Clock()), Seed: uint64(h.session.Seed()), Output: string(h.output),
		DescriptorSet: h.mapping.DescriptorSet(), Message: string(h.mapping.Message().FullName()),
	}
	for _, x := range h.session.Inputs() {
		in := &holdfastv1.SessionInput{Dataset: string(x.Dataset), Version: x.Version.String(), Checksum: x.Checksum.String()}
		if v, err := h.session.View(x.Dataset); err == nil && v.Mapping != nil {
			in.DescriptorSet, in.Message = v.Mapping.DescriptorSet(), string(v.Mapping.Message().FullName())
		}
		out.Inputs = append(out.Inputs, in)
	}
	return out, nil
}

// Emit implements holdfastv1.LogicServer.
func (h *host) Emit(stream grpc.ClientStreamingServer[holdfastv1.EmitRequest, holdfastv1.EmitResponse]) error {
	if err := h.enter(); err != nil {
		return err
	}
	defer h.leave()
	n := uint64(0)
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return stream.SendAndClose(&holdfastv1.EmitResponse{Records: n})
		}
		if err != nil {
			h.breakOff()
			return err
		}
		for _, record := range in.GetRecords() {
			if err := h.add(record); err != nil {
				return err
			}
			n++
		}
	}
}

// enter counts a stream in.
func (h *host) enter() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.open(); err != nil {
		return h.failLocked(err)
	}
	h.streams++
	return nil
}

// breakOff notes that records may be missing. It is no fault yet, because that
// is what is seen first of a command that crashes.
func (h *host) breakOff() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.broken = true
}

func (h *host) leave() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.streams--
}

// open says why nothing can be emitted or ended.
func (h *host) open() error {
	switch {
	case !h.begun:
		return fmt.Errorf("%w: it has not begun: call Begin first", errPhase)
	case h.ended:
		return fmt.Errorf("%w: it has ended", errPhase)
	}
	return nil
}

// add takes one record.
func (h *host) add(record *holdfastv1.OutputRecord) error {
	m, err := h.parse(record)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil && h.ended {
		err = fmt.Errorf("%w: it has ended", errPhase)
	}
	if h.size += len(record.GetMessage()) + len(record.GetJson()); err == nil && h.size > maxOutput {
		err = fmt.Errorf("it exceeds %d bytes", maxOutput)
	}
	if err == nil {
		err = h.emit(m)
	}
	if err != nil {
		return h.failLocked(fmt.Errorf("%w: record %d: %w", ErrOutput, h.records+1, err))
	}
	h.records++
	return nil
}

func (h *host) parse(record *holdfastv1.OutputRecord) (proto.Message, error) {
	switch form := record.GetForm().(type) {
	case *holdfastv1.OutputRecord_Message:
		m := dynamicpb.NewMessage(h.mapping.Message())
		return m, proto.Unmarshal(form.Message, m)
	case *holdfastv1.OutputRecord_Json:
		m, err := h.mapping.ParseJSON([]byte(form.Json))
		if err != nil {
			return nil, err
		}
		return m.Interface(), nil
	}
	return nil, errors.New("it is neither a message nor JSON")
}

// Commit implements holdfastv1.LogicServer.
func (h *host) Commit(_ context.Context, in *holdfastv1.CommitRequest) (*holdfastv1.CommitResponse, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	err := h.open()
	switch {
	case err != nil:
	case h.fault != nil:
		err = h.fault
	case h.streams > 0:
		err = fmt.Errorf("%w: %d streams of records are still open", errPhase, h.streams)
	case h.broken:
		err = fmt.Errorf("%w: a stream of records broke off", ErrOutput)
	case in.Records != nil && in.GetRecords() != h.records:
		err = fmt.Errorf("%w: %d records arrived of %d", ErrOutput, h.records, in.GetRecords())
	}
	if err != nil {
		return nil, h.failLocked(err)
	}
	h.ended, h.complete = true, true
	return &holdfastv1.CommitResponse{Records: h.records}, nil
}

// Abort implements holdfastv1.LogicServer.
func (h *host) Abort(_ context.Context, in *holdfastv1.AbortRequest) (*holdfastv1.AbortResponse, error) {
	err := ErrAborted
	if in.GetReason() != "" {
		err = fmt.Errorf("%w: %.1000s", ErrAborted, in.GetReason())
	}
	_ = h.fail(err) // which is what is meant
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	return &holdfastv1.AbortResponse{}, nil
}
