package protomap

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// maxBoxes bounds how many records a scalar may be wrapped in.
const maxBoxes = 8

// scalarAt reads a scalar field, through references to records of one field.
func scalarAt(r state.Record, column int) (state.Value, error) {
	for range maxBoxes {
		field := r.Type().Schema().Fields[column]
		switch field.Type {
		case state.Reference:
			target, ok, err := follow(r, column)
			if err != nil || !ok {
				return state.Null(), err
			}
			if err := boxed(target); err != nil {
				return state.Null(), err
			}
			r, column = target, 0
			continue
		case state.String:
			if _, ok := r.StringView(column); !ok && !r.IsNull(column) {
				return state.Null(), &ValueError{Err: state.ErrIllFormed}
			}
		}
		return r.Value(column), nil
	}
	return state.Null(), &ValueError{Err: fmt.Errorf("a scalar is wrapped in more than %d records: %w", maxBoxes, ErrMismatch)}
}

// unbox reads the scalar that a record of one field holds.
func unbox(r state.Record) (state.Value, error) {
	if err := boxed(r); err != nil {
		return state.Null(), err
	}
	return scalarAt(r, 0)
}

func boxed(r state.Record) error {
	if s := r.Type().Schema(); s.Kind != state.Object || len(s.Fields) != 1 {
		return &ValueError{Err: fmt.Errorf("type %s is not one scalar: %w", s.Name, ErrMismatch)}
	}
	return nil
}

func wireType(k protoreflect.Kind) protowire.Type {
	switch k {
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind, protoreflect.FloatKind:
		return protowire.Fixed32Type
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind, protoreflect.DoubleKind:
		return protowire.Fixed64Type
	case protoreflect.StringKind, protoreflect.BytesKind:
		return protowire.BytesType
	}
	return protowire.VarintType
}

// isDefault says whether a field without presence is left out for v.
func (x *element) isDefault(v state.Value) bool {
	switch v.Type() {
	case state.Float:
		return math.Float32bits(v.Float()) == 0
	case state.Double:
		return math.Float64bits(v.Double()) == 0
	case state.Bytes:
		return len(v.Data()) == 0
	case state.String:
		if x.numbers != nil {
			n, ok := x.numbers[string(v.Data())]
			return ok && n == 0
		}
		return len(v.Data()) == 0
	}
	return v.Long() == 0
}

// fits says whether a value that is not null is of x's type. INT fits LONG.
func (x *element) fits(v state.Value) error {
	have, want := v.Type(), columnType(x.desc.Kind())
	if have == want || have == state.Int && want == state.Long {
		return nil
	}
	return &ValueError{Err: fmt.Errorf("value is a %v, %v needs a %v: %w", have, x.desc.Kind(), want, ErrMismatch)}
}

// length returns how many bytes a value has of a kind that does not bound them,
// and 0 for others.
func (x *element) length(v state.Value) int {
	switch x.desc.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind:
		return len(v.Data())
	}
	return 0
}

// appendScalar appends a value that fits, without its tag.
func (x *element) appendScalar(b []byte, v state.Value) ([]byte, error) {
	switch x.desc.Kind() {
	case protoreflect.StringKind, protoreflect.BytesKind:
		return protowire.AppendBytes(b, v.Data()), nil
	case protoreflect.FloatKind:
		return protowire.AppendFixed32(b, math.Float32bits(v.Float())), nil
	case protoreflect.DoubleKind:
		return protowire.AppendFixed64(b, math.Float64bits(v.Double())), nil
	case protoreflect.BoolKind:
		return protowire.AppendVarint(b, protowire.EncodeBool(v.Bool())), nil
	case protoreflect.Sint32Kind, protoreflect.Sint64Kind:
		return protowire.AppendVarint(b, protowire.EncodeZigZag(v.Long())), nil
	case protoreflect.Fixed32Kind, protoreflect.Sfixed32Kind:
		return protowire.AppendFixed32(b, uint32(v.Long())), nil
	case protoreflect.Fixed64Kind, protoreflect.Sfixed64Kind:
		return protowire.AppendFixed64(b, uint64(v.Long())), nil
	case protoreflect.EnumKind:
		n, ok := x.numbers[string(v.Data())]
		if !ok {
			return b, &ValueError{Err: fmt.Errorf("%s %.60q: %w", x.desc.Enum().FullName(), v.Data(), ErrUnnamedEnum)}
		}
		return protowire.AppendVarint(b, uint64(int64(n))), nil
	}
	return protowire.AppendVarint(b, uint64(v.Long())), nil
}
