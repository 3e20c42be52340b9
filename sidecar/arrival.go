package sidecar

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
)

// wire is what the streams of grpc-go's transport can do beyond what
// grpc.ServerStream says of them. RecvMsg asks the caller for the whole of a
// message as soon as it knows the length, so that each call could have
// limits.max_message_bytes in memory before anybody here hears of it.
type wire interface {
	ReadMessageHeader(header []byte) error
	Read(n int) (mem.BufferSlice, error)
	RecvCompress() string
	WriteStatus(*status.Status) error
}

// piece is how much of a request is read at a time: what comes in frames of one
// byte takes fifty times its length until it is copied.
const piece = 512

// arrival is how the requests of a call arrive. They count in its claim as soon
// as their length is known, and have to be there in time.
type arrival struct {
	claim  claim
	wire   wire
	header [5]byte

	at   int       // in caller.arriving, which guards the rest, too
	seen time.Time // when the sweep first found it arriving
	late bool      // its call was ended
}

// read reads the first request of a call into m, and its end unless further
// requests may follow. A stream of another transport than grpc-go's reads by
// itself.
func (g *gate) read(stream grpc.ServerStream, x *arrival, m any, follows bool) error {
	from := callerOf(stream.Context())
	x.claim.gate, x.claim.of = g, from
	x.wire, _ = grpc.ServerTransportStreamFromContext(stream.Context()).(wire)
	if x.wire == nil {
		return toStatus(first(malformed(stream.RecvMsg(m))))
	}
	if err := g.begin(from, x); err != nil {
		return err
	}
	n, err := x.length(g.limits.MaxMessageBytes)
	if err == nil {
		err = x.decode(g, n, m)
	}
	if err == nil && !follows {
		err = x.over()
	}
	return g.end(from, x, first(err))
}

// first is an error of the first request, which must come.
func first(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%w: there is no message", errMalformed)
	}
	return err
}

// next reads a further request of a call that may have several. The caller may
// take its time to begin it, but not to finish it.
func (g *gate) next(stream grpc.ServerStream, x *arrival, m any) error {
	if x.wire == nil {
		return malformed(stream.RecvMsg(m))
	}
	x.claim.received()
	n, err := x.length(g.limits.MaxMessageBytes)
	if errors.Is(err, io.EOF) {
		return io.EOF
	}
	if err != nil {
		return toStatus(err)
	}
	if err := g.begin(x.claim.of, x); err != nil {
		return err
	}
	return g.end(x.claim.of, x, x.decode(g, n, m))
}

// begin counts a request that begins to arrive, until end. They take memory
// before the call does that they are for, and so there may be as many of them as
// of those. A connection has at most half of what others leave.
func (g *gate) begin(from *caller, x *arrival) error {
	if from == nil {
		return nil
	}
	if others := from.begin(x); g.arriving.Add(1)+int64(others) > int64(g.limits.MaxCalls) {
		_ = g.end(from, x, nil) // why it is not read is said here
		return g.refuse(refusedByCalls, errLimit, "more than %d requests that have begun and not arrived (limits.max_calls)", g.limits.MaxCalls)
	}
	return nil
}

// end is the end of what begin began. It returns err as a status, or that the
// request was late, which is why it was not read.
func (g *gate) end(from *caller, x *arrival, err error) error {
	if from != nil {
		g.arriving.Add(-1)
		from.end(x)
		if x.late {
			err = errLateStatus.Err()
		}
	}
	return toStatus(err)
}

// errLateStatus is the answer to every call whose request does not arrive.
var errLateStatus = status.Convert(toStatus(fmt.Errorf("%w in time (limits.max_stall)", errUnfinished)))

// length reads how long the next request is.
func (x *arrival) length(most int) (int, error) {
	if err := x.wire.ReadMessageHeader(x.header[:]); err != nil {
		return 0, cutShort(err)
	}
	n := binary.BigEndian.Uint32(x.header[1:])
	if uint64(n) > uint64(most) {
		return 0, tooLong(int64(n), most)
	}
	return int(n), nil
}

func tooLong(n int64, most int) error {
	return fmt.Errorf("%w: the request has %d bytes, at most %d are allowed (limits.max_message_bytes)", errLimit, n, most)
}

// cutShort is what an end in the middle of a message means.
func cutShort(err error) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it is cut short", errMalformed)
	}
	return err
}

// decode reads a request of n bytes.
func (x *arrival) decode(g *gate, n int, m any) error {
	times := 1
	if _, ok := m.(*raw); !ok {
		times += decoded
	}
	if err := x.claim.receive(times * n); err != nil {
		return err
	}
	data, err := x.body(n)
	if err != nil {
		return err
	}
	defer func() { data.Free() }()
	if x.header[0] != 0 {
		if data, err = x.decompress(data, g.limits.MaxMessageBytes); err != nil {
			return err
		}
		if err := x.claim.receive(times * data.Len()); err != nil {
			return err
		}
	}
	if err := g.codec.Unmarshal(data, m); err != nil {
		return fmt.Errorf("%w: %w", errMalformed, err)
	}
	return nil
}

// decoded is about how often a message takes the memory of its bytes.
const decoded = 4

// body reads n bytes in pieces, so that the transport never has more of them
// than its window.
func (x *arrival) body(n int) (mem.BufferSlice, error) {
	if n <= piece {
		data, err := x.wire.Read(n)
		return data, inBody(err)
	}
	b := make([]byte, n)
	for at := 0; at < n; {
		part, err := x.wire.Read(min(piece, n-at))
		if err != nil {
			return nil, inBody(err)
		}
		at += part.CopyTo(b[at:])
		part.Free()
	}
	return mem.BufferSlice{mem.SliceBuffer(b)}, nil
}

// inBody is cutShort where any end is one.
func inBody(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return cutShort(err)
}

// decompress returns what data is the compressed form of, and frees data. What
// it takes counts before it grows: a few bytes can be very many.
func (x *arrival) decompress(data mem.BufferSlice, most int) (mem.BufferSlice, error) {
	defer data.Free()
	c := encoding.GetCompressor(x.wire.RecvCompress())
	if c == nil || x.header[0] != 1 {
		return nil, fmt.Errorf("%w: it is compressed in no known way", errMalformed)
	}
	in := data.Reader()
	defer in.Close()
	r, err := c.Decompress(in)
	if err != nil {
		return nil, fmt.Errorf("%w: decompress: %w", errMalformed, err)
	}
	for out := make([]byte, 0, piece); ; {
		n, err := r.Read(out[len(out):cap(out)])
		switch out = out[:len(out)+n]; {
		case len(out) > most:
			return nil, tooLong(int64(len(out)), most)
		case errors.Is(err, io.EOF):
			return mem.BufferSlice{mem.SliceBuffer(out)}, nil
		case err != nil:
			return nil, fmt.Errorf("%w: decompress: %w", errMalformed, err)
		case len(out) == cap(out):
			next := min(2*cap(out), most+1)
			if err := x.claim.receive(data.Len() + cap(out) + next); err != nil {
				return nil, err
			}
			out = append(make([]byte, 0, next), out...)
		}
	}
}

// over reads the end of the only request of a call. What follows it would
// otherwise lie in the transport for as long as the call takes.
func (x *arrival) over() error {
	switch err := x.wire.ReadMessageHeader(x.header[:]); {
	case err == nil:
		return fmt.Errorf("%w: there is more than one message", errMalformed)
	case errors.Is(err, io.EOF):
		return nil
	default:
		return cutShort(err)
	}
}
