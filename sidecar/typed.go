package sidecar

import (
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// handle answers every call that no registered service answers: the typed
// services. It is the one layer around a look-up: limits, recovery, counters.
func (s *Sidecar) handle(_ any, stream grpc.ServerStream) (err error) {
	method, _ := grpc.MethodFromServerStream(stream)
	table := s.routes.Load()
	to, ok := table.methods[method]
	if !ok {
		return toStatus(table.unknown(method))
	}
	done, err := s.enter(to.served, to.kind)
	if err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			err = s.panicked(method, p)
		}
		err = toStatus(err)
		done(err)
	}()
	var request raw
	if err := stream.RecvMsg(&request); errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: there is no message", errMalformed)
	} else if err != nil {
		return err
	}
	defer request.free()
	r, err := to.served.read(stream.Context(), "")
	if err != nil {
		return err
	}
	switch to.kind {
	case kindGet:
		return s.get(stream, r, request.bytes)
	case kindBatchGet:
		return s.batchGet(stream, r, request.bytes)
	}
	return list(stream, r)
}

// enter counts a look-up in, or refuses it; done counts it out.
func (s *Sidecar) enter(d *served, k kind) (done func(error), err error) {
	if s.calls.Add(1) > int64(s.cfg.Limits.MaxCalls) {
		s.calls.Add(-1)
		err := toStatus(fmt.Errorf("%w: more than %d look-ups under way", errLimit, s.cfg.Limits.MaxCalls))
		d.stats.count(k, status.Code(err), 0)
		return nil, err
	}
	start := time.Now()
	return func(err error) {
		s.calls.Add(-1)
		d.stats.count(k, status.Code(err), time.Since(start))
	}, nil
}

// panicked turns a panic into an error; one bad record must not end the
// process that all others are served by.
func (s *Sidecar) panicked(method string, p any) error {
	s.panics.Add(1)
	s.log.Error("look-up panicked", "method", method, "panic", p, "stack", string(debug.Stack()))
	return errPanic
}

// find returns the record with the key of an encoded request.
func (r reading) find(request []byte) (state.Record, bool, error) {
	var room [4]state.Value
	key := room[:]
	if len(r.plan.keys) > len(room) {
		key = make([]state.Value, len(r.plan.keys))
	}
	key = key[:len(r.plan.keys)]
	if err := r.plan.readKey(key, request); err != nil {
		return state.Record{}, false, err
	}
	record, ok := r.view.Index.Record(key...)
	return record, ok, nil
}

func (s *Sidecar) get(stream grpc.ServerStream, r reading, request []byte) error {
	record, ok, err := r.find(request)
	if err != nil {
		return err
	}
	if !ok {
		return errAbsentStatus
	}
	return send(stream, func(b []byte) ([]byte, error) { return r.plan.mapping.Append(b, record) })
}

// errAbsentStatus is the answer to every look-up that finds nothing.
var errAbsentStatus = toStatus(errAbsent)

// send sends the message that fill appends to a buffer of the pool.
func send(stream grpc.ServerStream, fill func([]byte) ([]byte, error)) error {
	b := buffers.Get(0)
	var err error
	if *b, err = fill(*b); err != nil {
		buffers.Put(b)
		return err
	}
	return stream.SendMsg(&raw{answer: b})
}

func (s *Sidecar) batchGet(stream grpc.ServerStream, r reading, request []byte) error {
	scratch := buffers.Get(0)
	defer func() { buffers.Put(scratch) }()
	return send(stream, func(b []byte) ([]byte, error) {
		n := 0
		for len(request) > 0 {
			number, t, size := protowire.ConsumeTag(request)
			if size < 0 {
				return b, fmt.Errorf("read keys: %w: %w", errMalformed, protowire.ParseError(size))
			}
			value := request[size:]
			if size = protowire.ConsumeFieldValue(number, t, value); size < 0 {
				return b, fmt.Errorf("read keys: %w: %w", errMalformed, protowire.ParseError(size))
			}
			request = value[size:]
			if number != r.plan.batchKeys || t != protowire.BytesType {
				continue
			}
			if n++; n > s.cfg.Limits.MaxBatch {
				return b, fmt.Errorf("%w: more than %d keys in a batch", errLimit, s.cfg.Limits.MaxBatch)
			}
			key, _ := protowire.ConsumeBytes(value)
			var err error
			if b, *scratch, err = r.appendResult(b, (*scratch)[:0], key); err != nil {
				return b, fmt.Errorf("key %d: %w", n, err)
			}
			if len(b) > s.cfg.Limits.MaxAnswerBytes {
				return b, fmt.Errorf("%w: the answer exceeds %d bytes", errLimit, s.cfg.Limits.MaxAnswerBytes)
			}
		}
		return b, nil
	})
}

// appendResult appends the result of one key, which is empty if there is no
// record. The record is encoded in scratch first, because its length precedes
// it.
func (r reading) appendResult(b, scratch, key []byte) (result, grown []byte, err error) {
	record, ok, err := r.find(key)
	if err != nil {
		return b, scratch, err
	}
	b = protowire.AppendTag(b, r.plan.batchResult, protowire.BytesType)
	if !ok {
		return protowire.AppendVarint(b, 0), scratch, nil
	}
	if scratch, err = r.plan.mapping.Append(scratch, record); err != nil {
		return b, scratch, err
	}
	size := protowire.SizeTag(r.plan.resultRecord) + protowire.SizeBytes(len(scratch))
	b = protowire.AppendVarint(b, uint64(size))
	b = protowire.AppendTag(b, r.plan.resultRecord, protowire.BytesType)
	return protowire.AppendBytes(b, scratch), scratch, nil
}

func list(stream grpc.ServerStream, r reading) error {
	for o := range r.view.Root().Ordinals() {
		record := r.view.Root().Record(o)
		if err := send(stream, func(b []byte) ([]byte, error) { return r.plan.mapping.Append(b, record) }); err != nil {
			return err
		}
	}
	return nil
}
