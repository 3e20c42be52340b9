package state

import (
	"encoding/base64"
	"errors"
	"math"
	"strconv"
	"unicode/utf16"

	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// Ordinal names a record of one type within a state. It is reused after its
// record is gone, so it means nothing without the state.
type Ordinal int32

// NoOrdinal is the absence of a record.
const NoOrdinal Ordinal = -1

// Hollow's null patterns of FLOAT and DOUBLE fields.
const (
	nullFloat  = 0x7fc00001
	nullDouble = 0x7ff8000000000001
)

// nullBits returns how null is stored in a page for a fixed-size field.
func nullBits(t FieldType) uint64 {
	switch t {
	case Float:
		return nullFloat
	case Double:
		return nullDouble
	}
	return 0
}

// ErrNotStorable says that a value has no representation in Hollow's format.
var ErrNotStorable = errors.New("value cannot be stored")

// A Value is the content of one field. The zero Value is null. A Value made of
// bytes does not own them: they must not change while it is in use.
type Value struct { // four words: it stays in registers
	kind FieldType // 0 for null
	num  uint64    // Int and Long sign-extended, others bits; held if data is a state's
	data string    // String: UTF-8, or raw text of a state; Bytes. It shares bytes.
}

// held marks data that a state holds, which may be raw text.
const held = 1

// Null returns the null Value.
func Null() Value { return Value{} }

// IntValue returns an INT; -2^31 is refused when a record is made of it.
func IntValue(v int32) Value { return Value{kind: Int, num: uint64(int64(v))} }

// LongValue returns a LONG; -2^63 is refused when a record is made of it.
func LongValue(v int64) Value { return Value{kind: Long, num: uint64(v)} }

// BoolValue returns a BOOLEAN.
func BoolValue(v bool) Value {
	if v {
		return Value{kind: Boolean, num: 1}
	}
	return Value{kind: Boolean}
}

// FloatValue returns a FLOAT; NaN is refused when a record is made of it.
func FloatValue(v float32) Value { return Value{kind: Float, num: uint64(math.Float32bits(v))} }

// DoubleValue returns a DOUBLE; NaN is refused when a record is made of it.
func DoubleValue(v float64) Value { return Value{kind: Double, num: math.Float64bits(v)} }

// StringValue returns a STRING; ill-formed UTF-8 is refused when a record is
// made of it.
func StringValue(v string) Value { return Value{kind: String, data: v} }

// TextValue returns a STRING that shares v, which is UTF-8 as in StringValue.
func TextValue(v []byte) Value { return Value{kind: String, data: bits.View(v)} }

// BytesValue returns a BYTES value that shares v.
func BytesValue(v []byte) Value { return Value{kind: Bytes, data: bits.View(v)} }

// ReferenceValue returns a REFERENCE.
func ReferenceValue(o Ordinal) Value {
	if o == NoOrdinal {
		return Value{}
	}
	return Value{kind: Reference, num: uint64(o)}
}

// IsNull says whether v is null.
func (v Value) IsNull() bool { return v.kind == 0 }

// Type returns the type of v, and 0 for null.
func (v Value) Type() FieldType { return v.kind }

// Int returns an INT.
func (v Value) Int() int32 { return int32(v.num) }

// Long returns a LONG.
func (v Value) Long() int64 { return int64(v.num) }

// Bool returns a BOOLEAN.
func (v Value) Bool() bool { return v.num != 0 }

// Float returns a FLOAT.
func (v Value) Float() float32 { return math.Float32frombits(uint32(v.num)) }

// Double returns a DOUBLE.
func (v Value) Double() float64 { return math.Float64frombits(v.num) }

// Data returns the bytes of a STRING (in its in-memory form: UTF-8 if it is
// well-formed) or of BYTES. The caller must not change them.
func (v Value) Data() []byte { return bits.Viewed(v.data) }

// Reference returns the ordinal of a REFERENCE, and NoOrdinal for null.
func (v Value) Reference() Ordinal {
	if v.kind == 0 {
		return NoOrdinal
	}
	return Ordinal(v.num)
}

// String returns the value for a person: numbers in decimal, text as it is
// (unpaired surrogates as U+FFFD), bytes in base64, a reference as #ordinal.
func (v Value) String() string {
	switch v.kind {
	case Int, Long:
		return strconv.FormatInt(v.Long(), 10)
	case Boolean:
		return strconv.FormatBool(v.Bool())
	case Float:
		return strconv.FormatFloat(float64(v.Float()), 'g', -1, 32)
	case Double:
		return strconv.FormatFloat(v.Double(), 'g', -1, 64)
	case String:
		return string(utf16.Decode(wire.AppendUnits(nil, v.Data())))
	case Bytes:
		return base64.StdEncoding.EncodeToString(v.Data())
	case Reference:
		return "#" + strconv.FormatUint(v.num, 10)
	}
	return "null"
}

// Bits returns a value that is neither STRING nor BYTES as a number that is the
// same exactly for equal values of one type, -0.0 and 0.0 being two. It is a
// hint for programs that compare many records: it may be another number in
// another release.
func (v Value) Bits() uint64 {
	switch v.kind {
	case Int:
		return uint64(wire.ZigZag32(v.Int())) + 1
	case Long:
		return wire.ZigZag64(v.Long()) + 1
	case Boolean, Reference:
		return v.num + 1
	case Float, Double:
		return v.num
	}
	return 0
}

// Equal compares as keys do: FLOAT and DOUBLE as numbers, all else exactly.
// Null equals null.
func (v Value) Equal(o Value) bool {
	if v.kind != o.kind {
		return false
	}
	switch v.kind {
	case Float:
		return v.Float() == o.Float()
	case Double:
		return v.Double() == o.Double()
	case String, Bytes:
		return v.data == o.data
	}
	return v.num == o.num
}
