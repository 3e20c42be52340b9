package sidecar

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// plan is how the records of one schema are asked for and encoded. It is
// immutable.
type plan struct {
	mapping  *protomap.Mapping // with the sidecar's limits
	declared bool              // by the dataset's owner
	file     protoreflect.FileDescriptor
	message  protoreflect.MessageDescriptor
	service  protoreflect.ServiceDescriptor // nil unless declared

	leftOut string // the fields that are not loaded, as answers name them

	keys []keyField
	zero []state.Value // the key of an empty request

	batchKeys    protowire.Number // in a batch request
	batchResult  protowire.Number // in a batch answer
	resultRecord protowire.Number // in a result
}

// keyField is field number i+1 of a request, at i in plan.keys.
type keyField struct {
	name protoreflect.Name
	kind protoreflect.Kind
	wire protowire.Type
	enum protoreflect.EnumValueDescriptors
}

// newPlan makes the plan of a view. A dataset that declares no schema has a
// derived one, which gets no typed service.
func newPlan(name dataset.Name, view *replica.View, limits protomap.Limits) (*plan, error) {
	p := &plan{mapping: view.Mapping.WithLimits(limits), declared: !view.Derived, leftOut: leftOutText(view.Mapping.LeftOut())}
	if view.Derived {
		p.message = view.Mapping.Message()
		p.file = p.message.ParentFile()
		return p, nil
	}
	file, err := protomap.Redeclare(view.Mapping, name)
	if err != nil {
		return nil, err
	}
	p.file = file
	if file.Services().Len() != 1 {
		return nil, fmt.Errorf("%s has %d services: %w", file.Path(), file.Services().Len(), errNoSchema)
	}
	p.service = file.Services().Get(0)
	for i := range p.service.Methods().Len() {
		if err := p.method(p.service.Methods().Get(i)); err != nil {
			return nil, err
		}
	}
	if err := view.Index.Check(p.zero...); err != nil {
		return nil, err
	}
	return p, nil
}

// maxLeftOut bounds what an answer's header names, in bytes: clients have limits
// of their own for headers, some of 8 KiB for all of it.
const maxLeftOut = 1000

// leftOutText names fields in one line, and how many there are besides.
func leftOutText(fields []string) string {
	text := ""
	for i, name := range fields {
		if len(text)+len(name) > maxLeftOut {
			return fmt.Sprintf("%s%d more", text, len(fields)-i)
		}
		if text += name; i < len(fields)-1 {
			text += ", "
		}
	}
	return text
}

// A kind of look-up.
type kind uint8

// The kinds of look-ups, which metrics tell apart.
const (
	kindGet kind = iota
	kindBatchGet
	kindList
	kindGenericGet
	kindGenericBatchGet
	kindGenericList
	kinds
)

// String returns the value of the metrics' label.
func (k kind) String() string {
	return [...]string{"get", "batch_get", "list", "generic_get", "generic_batch_get", "generic_list"}[k]
}

// kindOf returns the kind of a method of a redeclared service.
func kindOf(m protoreflect.MethodDescriptor) kind {
	switch {
	case m.IsStreamingServer():
		return kindList
	case strings.HasPrefix(string(m.Name()), "BatchGet"):
		return kindBatchGet
	}
	return kindGet
}

// method takes from a method what its calls need.
func (p *plan) method(m protoreflect.MethodDescriptor) error {
	switch kindOf(m) {
	case kindGet:
		p.message = m.Output()
		return p.request(m.Input())
	case kindBatchGet:
		in, out := m.Input().Fields(), m.Output().Fields()
		if in.Len() == 0 || out.Len() == 0 || out.Get(0).Message() == nil || out.Get(0).Message().Fields().Len() == 0 {
			return fmt.Errorf("%s: unexpected fields: %w", m.FullName(), errNoSchema)
		}
		p.batchKeys, p.batchResult = in.Get(0).Number(), out.Get(0).Number()
		p.resultRecord = out.Get(0).Message().Fields().Get(0).Number()
	}
	return nil
}

// request takes the key fields from the message of a Get.
func (p *plan) request(m protoreflect.MessageDescriptor) error {
	for i := range m.Fields().Len() {
		f := m.Fields().ByNumber(protowire.Number(i + 1))
		if f == nil {
			return fmt.Errorf("%s has no field %d: %w", m.FullName(), i+1, errNoSchema)
		}
		k := keyField{name: f.Name(), kind: f.Kind(), wire: wireType(f.Kind())}
		if f.Enum() != nil {
			k.enum = f.Enum().Values()
		}
		zero, err := k.zero(f)
		if err != nil {
			return err
		}
		p.keys, p.zero = append(p.keys, k), append(p.zero, zero)
	}
	return nil
}

func wireType(k protoreflect.Kind) protowire.Type {
	switch k {
	case protoreflect.StringKind, protoreflect.BytesKind:
		return protowire.BytesType
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return protowire.Fixed64Type
	}
	return protowire.VarintType
}

// zero returns the value of a field that is not in a request.
func (k keyField) zero(f protoreflect.FieldDescriptor) (state.Value, error) {
	switch k.kind {
	case protoreflect.StringKind:
		return state.StringValue(f.Default().String()), nil
	case protoreflect.BytesKind:
		return state.BytesValue(f.Default().Bytes()), nil
	case protoreflect.EnumKind:
		return k.number(uint64(f.Default().Enum()))
	}
	return k.number(0)
}

// consumeTag is protowire.ConsumeTag, and refuses a number that no field can
// have, as messages do.
func consumeTag(b []byte) (protowire.Number, protowire.Type, int) {
	n, t, size := protowire.ConsumeTag(b)
	if n > protowire.MaxValidNumber {
		_, _, size = protowire.ConsumeTag([]byte{0}) // field number 0 is as wrong
	}
	return n, t, size
}

// readKey reads the key of an encoded request into key, which has room for
// every field. Texts and bytes are views of b.
func (p *plan) readKey(key []state.Value, b []byte) error {
	copy(key, p.zero)
	for len(b) > 0 {
		n, t, size := consumeTag(b)
		if size < 0 {
			return fmt.Errorf("read key: %w: %w", errMalformed, protowire.ParseError(size))
		}
		b = b[size:]
		if int(n) > len(p.keys) || p.keys[n-1].wire != t {
			if size = protowire.ConsumeFieldValue(n, t, b); size < 0 {
				return fmt.Errorf("read key: %w: %w", errMalformed, protowire.ParseError(size))
			}
			b = b[size:] // an unknown field is no key
			continue
		}
		v, size, err := p.keys[n-1].consume(b)
		if err != nil {
			return fmt.Errorf("read key: %s: %w", p.keys[n-1].name, err)
		}
		key[n-1], b = v, b[size:] // the last one wins
	}
	return nil
}

// consume reads one value and returns its size.
func (k keyField) consume(b []byte) (v state.Value, size int, err error) {
	var number uint64
	var text []byte
	switch k.wire {
	case protowire.BytesType:
		text, size = protowire.ConsumeBytes(b)
	case protowire.Fixed32Type:
		var fixed uint32
		fixed, size = protowire.ConsumeFixed32(b)
		number = uint64(fixed)
	case protowire.Fixed64Type:
		number, size = protowire.ConsumeFixed64(b)
	default:
		number, size = protowire.ConsumeVarint(b)
	}
	if size < 0 {
		return v, 0, fmt.Errorf("%w: %w", errMalformed, protowire.ParseError(size))
	}
	switch k.kind {
	case protoreflect.BytesKind:
		return state.BytesValue(text), size, nil
	case protoreflect.StringKind:
		if !utf8.Valid(text) {
			return v, 0, fmt.Errorf("%w: text is not UTF-8", errMalformed)
		}
		return state.TextValue(text), size, nil
	}
	v, err = k.number(number)
	return v, size, err
}

// number returns the key's value of a number on the wire, as messages are
// mapped.
func (k keyField) number(n uint64) (state.Value, error) {
	switch k.kind {
	case protoreflect.Int32Kind, protoreflect.Sfixed32Kind:
		return state.IntValue(int32(n)), nil
	case protoreflect.Sint32Kind:
		return state.IntValue(int32(protowire.DecodeZigZag(n & 0xffffffff))), nil
	case protoreflect.Sint64Kind:
		return state.LongValue(protowire.DecodeZigZag(n)), nil
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return state.LongValue(int64(uint32(n))), nil
	case protoreflect.BoolKind:
		return state.BoolValue(n != 0), nil
	case protoreflect.EnumKind:
		x := k.enum.ByNumber(protoreflect.EnumNumber(int32(n)))
		if x == nil {
			return state.Value{}, fmt.Errorf("%w: %d names no value", protomap.ErrBadKey, int32(n))
		}
		return state.StringValue(string(x.Name())), nil
	}
	return state.LongValue(int64(n)), nil // int64, sfixed64; uint64, fixed64 by their bits
}
