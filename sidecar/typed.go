package sidecar

import (
	"encoding/binary"
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// handle answers every call that no registered service answers: the typed
// services.
func (s *Sidecar) handle(_ any, stream grpc.ServerStream) (err error) {
	method, _ := grpc.MethodFromServerStream(stream)
	table := s.routes.Load()
	to, ok := table.methods[method]
	if !ok {
		return s.unknown(stream, table, method)
	}
	uncompressed(stream.Context())
	c := calls.Get().(*call)
	if err = s.receive(stream, c); err == nil {
		err = s.answer(stream, to, c)
	}
	c.reset()
	calls.Put(c)
	return err
}

// unknown refuses a call that has no route; it counts like any other.
func (s *Sidecar) unknown(stream grpc.ServerStream, table *routes, method string) error {
	if err := s.gate.enter(callerOf(stream.Context()), classLookup, time.Now()); err != nil {
		return err
	}
	s.gate.leave(classLookup)
	return toStatus(table.unknown(method))
}

// call is what a look-up needs room for.
type call struct {
	arrival
	request, reply raw
}

// calls keeps the rooms of look-ups that ended.
var calls = sync.Pool{New: func() any { return new(call) }}

func (c *call) reset() {
	c.request.free()
	c.claim.close()
	*c = call{}
}

// receive reads the request.
func (s *Sidecar) receive(stream grpc.ServerStream, c *call) error {
	if err := s.gate.read(stream, &c.arrival, &c.request, false); err != nil {
		return s.gate.unread(c.claim.of, classLookup, err)
	}
	return nil
}

// answer answers a request. It is the one layer around a typed look-up: the
// gate, recovery, counters.
func (s *Sidecar) answer(stream grpc.ServerStream, to route, c *call) (err error) {
	start := time.Now()
	if err := s.gate.enter(c.claim.of, classLookup, start); err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			method, _ := grpc.MethodFromServerStream(stream)
			err = s.panicked(method, p)
		}
		err = toStatus(err)
		s.gate.leave(classLookup)
		to.served.stats.count(to.kind, status.Code(err), time.Since(start))
	}()
	r, err := to.served.read(stream.Context(), "")
	if err == nil {
		switch to.kind {
		case kindGet:
			err = s.get(stream, r, c)
		case kindBatchGet:
			err = s.batchGet(stream, r, c)
		default:
			return s.listTyped(stream, r, c)
		}
	}
	if err != nil && r.header != nil {
		_ = stream.SetHeader(r.header) // fails only after the header is gone
	}
	return err
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

func (s *Sidecar) get(stream grpc.ServerStream, r reading, c *call) error {
	record, ok, err := r.find(c.request.bytes)
	if err != nil {
		return err
	}
	if !ok {
		return errAbsentStatus
	}
	b := buffers.Get(0)
	if *b, err = r.plan.mapping.AppendWithin(*b, record, &c.claim); err != nil {
		buffers.Put(b)
		return err
	}
	return s.send(stream, r, c, b)
}

// errAbsentStatus is the answer to every look-up that finds nothing.
var errAbsentStatus = toStatus(errAbsent)

// send sends a message in a buffer of the pool, after the header: both at once,
// so that the transport writes once.
func (s *Sidecar) send(stream grpc.ServerStream, r reading, c *call, b *[]byte) error {
	if err := s.gate.lend(&c.reply, b, &c.claim); err != nil {
		return err
	}
	if err := stream.SendHeader(r.header); err != nil {
		c.reply.pool.Put(b)
		return err
	}
	return c.reply.send(stream)
}

// batchGet answers many keys of one version.
func (s *Sidecar) batchGet(stream grpc.ServerStream, r reading, c *call) error {
	scratch, b := buffers.Get(0), buffers.Get(0)
	err := s.appendBatch(r, b, scratch, c)
	buffers.Put(scratch)
	if err != nil {
		buffers.Put(b)
		return err
	}
	return s.send(stream, r, c, b)
}

func (s *Sidecar) appendBatch(r reading, to, scratch *[]byte, c *call) error {
	n := 0
	for request := c.request.bytes; len(request) > 0; {
		number, t, size := consumeTag(request)
		if size < 0 {
			return fmt.Errorf("read keys: %w: %w", errMalformed, protowire.ParseError(size))
		}
		value := request[size:]
		if size = protowire.ConsumeFieldValue(number, t, value); size < 0 {
			return fmt.Errorf("read keys: %w: %w", errMalformed, protowire.ParseError(size))
		}
		request = value[size:]
		if number != r.plan.batchKeys || t != protowire.BytesType {
			continue
		}
		if n++; n > s.cfg.Limits.MaxBatch {
			return fmt.Errorf("%w: more than %d keys in a batch (limits.max_batch)", errLimit, s.cfg.Limits.MaxBatch)
		}
		key, _ := protowire.ConsumeBytes(value)
		if err := r.appendResult(to, scratch, key, &c.claim); err != nil {
			return fmt.Errorf("key %d: %w", n, err)
		}
		if len(*to) > s.cfg.Limits.MaxAnswerBytes {
			return fmt.Errorf("%w: the answer exceeds %d bytes (limits.max_answer_bytes)", errLimit, s.cfg.Limits.MaxAnswerBytes)
		}
	}
	return nil
}

// appendResult appends the result of one key, which is empty if there is no
// record. The record is encoded in scratch first, because its length precedes
// it.
func (r reading) appendResult(to, scratch *[]byte, key []byte, x *claim) error {
	record, ok, err := r.find(key)
	if err != nil {
		return err
	}
	if err := x.room(to, resultHead, cap(*scratch)); err != nil {
		return err
	}
	if !ok {
		*to = protowire.AppendVarint(protowire.AppendTag(*to, r.plan.batchResult, protowire.BytesType), 0)
		return nil
	}
	if *scratch, err = r.plan.mapping.AppendWithin((*scratch)[:0], record, x); err != nil {
		return err
	}
	size := protowire.SizeTag(r.plan.resultRecord) + protowire.SizeBytes(len(*scratch))
	if err := x.room(to, size+resultHead, cap(*scratch)); err != nil {
		return err
	}
	b := protowire.AppendTag(*to, r.plan.batchResult, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(size))
	b = protowire.AppendTag(b, r.plan.resultRecord, protowire.BytesType)
	*to = protowire.AppendBytes(b, *scratch)
	return nil
}

// resultHead is what a result has before its record's own field, at most.
const resultHead = 2 * binary.MaxVarintLen64

// listTyped streams every record of a version. Its request has no field that
// counts, but must be a message.
func (s *Sidecar) listTyped(stream grpc.ServerStream, r reading, c *call) error {
	for request := c.request.bytes; len(request) > 0; {
		_, _, size := protowire.ConsumeField(request)
		if size < 0 {
			return fmt.Errorf("%w: %w", errMalformed, protowire.ParseError(size))
		}
		request = request[size:]
	}
	if err := stream.SetHeader(r.header); err != nil {
		return err
	}
	box := s.gate.newOutbox(c.claim.of, stream)
	defer box.close()
	return s.list(r, 0, func(record state.Record) error {
		return box.send(func(b []byte) ([]byte, error) { return r.plan.mapping.AppendWithin(b, record, box) })
	})
}
