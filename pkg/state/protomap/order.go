package protomap

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// span is one written entry of a SET or MAP, to be put in order.
type span struct {
	start, end int // of the entry, in encoder.b
	body       int // where its content begins, behind a message's tag and length
	from, to   int // of the scalar it is ordered by, in encoder.scratch
}

// group is where the entries of one SET or MAP begin.
type group struct{ b, spans, scratch int }

func (e *encoder) group() group { return group{len(e.b), len(e.spans), len(e.scratch)} }

// span notes the entry that begins at start and has just been written. It is
// ordered by the scalar that r holds, or, if x is a message, by its content.
func (e *encoder) span(start int, x *element, r state.Record) error {
	from, body := len(e.scratch), start
	if x.msg != nil {
		_, _, tag := protowire.ConsumeTag(e.b[start:])
		_, length := protowire.ConsumeVarint(e.b[start+tag:])
		body += tag + length
	} else {
		v, err := unbox(r)
		if err != nil {
			return err
		}
		e.scratch = appendOrdered(e.scratch, x.desc.Kind(), v)
	}
	e.spans = append(e.spans, span{start, len(e.b), body, from, len(e.scratch)})
	return nil
}

// sort puts the entries of a group in order; distinct drops equal ones.
func (e *encoder) sort(g group, distinct bool) {
	spans, order := e.spans[g.spans:], e.scratch
	e.scratch = append(e.scratch, e.b[g.b:]...)
	written := e.scratch[len(order):]
	content := func(s span) []byte { return written[s.body-g.b : s.end-g.b] }
	slices.SortFunc(spans, func(x, y span) int {
		if c := bytes.Compare(order[x.from:x.to], order[y.from:y.to]); c != 0 {
			return c
		}
		return bytes.Compare(content(x), content(y))
	})
	e.b = e.b[:g.b]
	for i, s := range spans {
		if distinct && i > 0 && bytes.Equal(content(s), content(spans[i-1])) {
			continue
		}
		e.b = append(e.b, written[s.start-g.b:s.end-g.b]...)
	}
	e.spans, e.scratch = e.spans[:g.spans], e.scratch[:g.scratch]
}

const signBit = 1 << 63

// appendOrdered appends bytes that compare as the values do: numbers by value
// (-0.0 before 0.0), false before true, text and bytes bytewise, enums by name.
func appendOrdered(b []byte, k protoreflect.Kind, v state.Value) []byte {
	switch v.Type() {
	case state.String, state.Bytes:
		return append(b, v.Data()...)
	case state.Float:
		return binary.BigEndian.AppendUint64(b, orderedFloat(float64(v.Float())))
	case state.Double:
		return binary.BigEndian.AppendUint64(b, orderedFloat(v.Double()))
	}
	x := uint64(v.Long())
	if k != protoreflect.Uint64Kind && k != protoreflect.Fixed64Kind {
		x ^= signBit
	}
	return binary.BigEndian.AppendUint64(b, x)
}

func orderedFloat(f float64) uint64 {
	x := math.Float64bits(f)
	if x&signBit != 0 {
		return ^x
	}
	return x | signBit
}
