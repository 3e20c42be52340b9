package sidecar

import (
	"math/bits"
	"sync"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec that messages go through
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"

	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// raw is a message that is bytes already. As a request it refers to the
// buffer that it was received in, until free; as an answer it hands a buffer of
// the pool over to the transport.
type raw struct {
	bytes    []byte
	received mem.Buffer
	answer   *[]byte
	pool     mem.BufferPool // takes the answer back; nil leaves it to the garbage collector
}

// free gives the request's buffer back; bytes must not be used any more.
func (r *raw) free() {
	if r.received != nil {
		r.received.Free()
		r.received, r.bytes = nil, nil
	}
}

// codec hands raw messages through and encodes all others as protobuf.
type codec struct {
	messages encoding.CodecV2
	batch    int // elements of a request that are decoded; 0 means all
}

var _ encoding.CodecV2 = codec{}

func newCodec() codec { return codec{messages: encoding.GetCodecV2("proto")} }

// withBatch returns a codec that decodes of the lists in requests one element
// more than n, so that whoever answers sees that there are too many: two bytes
// on the wire can be a hundred in memory.
func (c codec) withBatch(n int) codec {
	c.batch = n + 1
	return c
}

// Name returns the content subtype.
func (codec) Name() string { return "proto" }

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if r, ok := v.(*raw); ok {
		b := mem.NewBuffer(r.answer, r.pool)
		r.answer = nil
		return mem.BufferSlice{b}, nil
	}
	return c.messages.Marshal(v)
}

// Unmarshal implements encoding.CodecV2.
func (c codec) Unmarshal(data mem.BufferSlice, v any) error {
	r, ok := v.(*raw)
	if !ok {
		return c.decode(data, v)
	}
	r.received = data.MaterializeToBuffer(mem.DefaultBufferPool())
	r.bytes = r.received.ReadOnlyData()
	return nil
}

func (c codec) decode(data mem.BufferSlice, v any) error {
	var list protowire.Number
	switch v.(type) {
	case *holdfastv1.BatchGetRequest:
		list = 3 // keys
	case *holdfastv1.OpenSessionRequest:
		list = 1 // datasets
	default:
		return c.messages.Unmarshal(data, v)
	}
	whole := data.MaterializeToBuffer(mem.DefaultBufferPool())
	defer whole.Free()
	b := whole.ReadOnlyData()
	return c.messages.Unmarshal(mem.BufferSlice{mem.SliceBuffer(b[:cut(b, list, c.batch)])}, v)
}

// cut returns where the n'th element of a list ends in an encoded message, or
// the message, if it has fewer; n = 0 means the message.
func cut(b []byte, list protowire.Number, n int) int {
	for at := 0; at < len(b) && n > 0; {
		number, _, size := protowire.ConsumeField(b[at:])
		if size < 0 {
			break // the decoder says what is wrong
		}
		at += size
		if number != list {
			continue
		}
		if n--; n == 0 {
			return at
		}
	}
	return len(b)
}

// pool keeps buffers that are only appended to. Unlike gRPC's own it does not
// zero them: that would cost more than filling them.
type pool struct{ tiers [maxTier + 1]sync.Pool }

// Buffers have at least 2^minTier bytes, so that the transport gives them
// back; those larger than 2^maxTier are left to the garbage collector.
const minTier, maxTier = 11, 20

// buffers is shared by all sidecars of the process; it holds no content.
var buffers pool

var _ mem.BufferPool = (*pool)(nil)

// Get returns a buffer of n bytes with undefined content.
func (p *pool) Get(n int) *[]byte {
	tier := max(bits.Len(uint(max(n, 1)-1)), minTier)
	if tier > maxTier {
		b := make([]byte, n)
		return &b
	}
	if b, ok := p.tiers[tier].Get().(*[]byte); ok {
		*b = (*b)[:n]
		return b
	}
	b := make([]byte, n, 1<<tier)
	return &b
}

// Put takes a buffer back; it may have been exchanged for a larger one.
func (p *pool) Put(b *[]byte) {
	tier := bits.Len(uint(cap(*b))) - 1 // the largest that it can serve
	if tier < minTier || tier > maxTier {
		return
	}
	*b = (*b)[:0]
	p.tiers[tier].Put(b)
}
