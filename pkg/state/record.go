package state

import (
	"errors"
	"fmt"
	"math"

	"github.com/holdfast-data/holdfast/pkg/state/internal/bits"
	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// ErrIllFormed says that a STRING is not well-formed Unicode: Java allows
// unpaired surrogates.
var ErrIllFormed = errors.New("string is not well-formed Unicode")

// A Record is a view of one populated ordinal. It copies nothing and stays
// valid as long as it is held, whatever newer versions do. Field numbers are
// positions in the type's schema; asking for a field by the wrong type is a
// programming error with an unspecified answer.
type Record struct { // four words: it stays in registers
	t    *Type
	lay  *layout // of its page
	data bits.Page
	o    Ordinal
}

// Ordinal returns the record's ordinal.
func (r Record) Ordinal() Ordinal { return r.o }

// Type returns the type, in the state that the record was taken from.
func (r Record) Type() *Type { return r.t }

func (r Record) slot() int { return int(uint32(r.o) % pageSize) }

func (r Record) page() page { return page{r.lay, r.data} }

// fixed returns the number of a field that is neither STRING nor BYTES.
func (r Record) fixed(f int) uint64 { return number(r.lay, r.data, r.o, f) }

// number is page.at for field f of a record, and integer what an INT or LONG has,
// nullInteger for null. A look-up is mostly these instructions, and the fewer they
// are, the sooner a processor that waits for memory comes to the next look-up. So
// they take single words, which are not saved to memory as those of a struct are,
// and call nothing; the methods around them are inlined.
func number(lay *layout, data bits.Page, o Ordinal, f int) uint64 {
	c, i := lay.column(f), uint64(uint32(o)%pageSize)
	return c.Number(data.Word(c.At(i)>>3), data.Word(c.Head), i)
}

func number32(lay *layout, data bits.Page, o Ordinal, f int) uint32 {
	c, i := lay.column(f), uint64(uint32(o)%pageSize)
	return uint32(c.Number(data.Word(c.At(i)>>3), data.Word(c.Head), i))
}

func integer(lay *layout, data bits.Page, o Ordinal, f int) int64 {
	c, i := lay.column(f), uint64(uint32(o)%pageSize)
	return wire.UnZigZag64(c.Number(data.Word(c.At(i)>>3), data.Word(c.Head), i) - 1)
}

// nullInteger is what 0 less one is in zigzag form. No LONG has that value.
const nullInteger = math.MinInt64

// IsNull says whether field f of an OBJECT is null.
func (r Record) IsNull(f int) bool {
	t := r.t.schema.Fields[f].Type
	if t.variable() {
		_, null := r.span(f)
		return null
	}
	return r.fixed(f) == nullBits(t)
}

// Bits returns a field that is neither STRING nor BYTES as a number that is
// the same exactly for equal values of one type: see Value.Bits.
func (r Record) Bits(f int) uint64 { return r.fixed(f) }

// Int returns an INT field; ok is false if it is null.
func (r Record) Int(f int) (v int32, ok bool) {
	x := integer(r.lay, r.data, r.o, f)
	return int32(x), x != nullInteger
}

// Long returns a LONG field; ok is false if it is null.
func (r Record) Long(f int) (v int64, ok bool) {
	x := integer(r.lay, r.data, r.o, f)
	return x, x != nullInteger
}

// Bool returns a BOOLEAN field; ok is false if it is null.
func (r Record) Bool(f int) (v, ok bool) {
	x := number(r.lay, r.data, r.o, f)
	return x == 2, x != 0
}

// Float returns a FLOAT field; ok is false if it is null.
func (r Record) Float(f int) (v float32, ok bool) {
	x := number32(r.lay, r.data, r.o, f)
	return math.Float32frombits(x), x != nullFloat
}

// Double returns a DOUBLE field; ok is false if it is null.
func (r Record) Double(f int) (v float64, ok bool) {
	x := number(r.lay, r.data, r.o, f)
	return math.Float64frombits(x), x != nullDouble
}

// Reference returns the ordinal in a REFERENCE field, or NoOrdinal if it is
// null. The type referred to may not be loaded, or not have that ordinal.
func (r Record) Reference(f int) Ordinal { return Ordinal(r.fixed(f)) - 1 }

func (r Record) span(f int) (value []byte, null bool) {
	from, to, null := ends(r.lay, r.data, r.o, f)
	return r.data.Bytes(from, to), null
}

// AppendString appends a STRING field as UTF-8; null appends nothing. It fails
// with ErrIllFormed if the value has no UTF-8 form.
func (r Record) AppendString(b []byte, f int) ([]byte, error) {
	r.t.askHeap(r.lay, r.data, r.slot())
	from, to, _ := ends(r.lay, r.data, r.o, f)
	text := r.data.Bytes(from, to)
	if wire.IsRaw(text) {
		return b, r.illFormed(f)
	}
	return append(b, text...), nil
}

func (r Record) illFormed(f int) error {
	return fmt.Errorf("read %s.%s of ordinal %d: %w", r.t.schema.Name, r.t.schema.Fields[f].Name, r.Ordinal(), ErrIllFormed)
}

// StringView returns a STRING field's UTF-8 without copying it; ok is false if
// it is null or ill-formed. The caller must not change it.
func (r Record) StringView(f int) (text []byte, ok bool) {
	r.t.askHeap(r.lay, r.data, r.slot())
	return view(r.lay, r.data, r.o, f)
}

func view(lay *layout, data bits.Page, o Ordinal, f int) (text []byte, ok bool) {
	from, to, null := ends(lay, data, o, f)
	text = data.Bytes(from, to)
	return text, !null && !wire.IsRaw(text)
}

// AppendUTF16 appends a STRING field as UTF-16 code units, well-formed or not;
// null appends nothing.
func (r Record) AppendUTF16(units []uint16, f int) []uint16 {
	text, _ := r.span(f)
	return wire.AppendUnits(units, text)
}

// AppendBytes appends a BYTES field; null appends nothing.
func (r Record) AppendBytes(b []byte, f int) []byte {
	data, _ := r.span(f)
	return append(b, data...)
}

// Value returns field f of an OBJECT. Its bytes are views.
func (r Record) Value(f int) Value {
	t := r.t.schema.Fields[f].Type
	if t.variable() {
		data, null := r.span(f)
		if null {
			return Value{}
		}
		return Value{kind: t, num: held, data: bits.View(data)}
	}
	x := r.fixed(f)
	if x == nullBits(t) {
		return Value{}
	}
	switch t {
	case Int:
		return IntValue(wire.UnZigZag32(uint32(x - 1)))
	case Long:
		return LongValue(wire.UnZigZag64(x - 1))
	case Boolean, Reference:
		return Value{kind: t, num: x - 1}
	}
	return Value{kind: t, num: x}
}

// Len returns the number of entries of a LIST, SET or MAP.
func (r Record) Len() int {
	start, end := r.page().entries(r.slot())
	return int(end - start)
}

// Element returns the i'th element of a LIST or SET. A SET's elements are in
// the order of its hash table.
func (r Record) Element(i int) Ordinal {
	p := r.page()
	return Ordinal(p.entry(p.start(r.slot())+uint64(i), 0))
}

// Entry returns the i'th key and value of a MAP, in the order of its hash
// table.
func (r Record) Entry(i int) (key, value Ordinal) {
	p := r.page()
	at := p.start(r.slot()) + uint64(i)
	return Ordinal(p.entry(at, 0)), Ordinal(p.entry(at, 1))
}

// bucket returns the place of the i'th entry in the hash table.
func (r Record) bucket(i int) uint32 {
	p := r.page()
	return uint32(p.entry(p.start(r.slot())+uint64(i), 2))
}

// Follow walks a resolved path from r and returns the value at its end; a null
// reference, or one to a record that is not loaded, gives null.
func (r Record) Follow(steps []Step) Value {
	for _, step := range steps[:len(steps)-1] {
		o := r.Reference(step.Field)
		target := r.t.state.Type(r.t.schema.Fields[step.Field].Ref)
		if target == nil || !target.Populated(o) {
			return Value{}
		}
		r = target.Record(o)
	}
	return r.Value(steps[len(steps)-1].Field)
}
