package main

import (
	"fmt"
	"math"
	"unicode/utf16"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// digest sums up every field of every record of the root type, with all that
// they refer to. It depends on neither ordinals nor the order of fields; the
// Java side computes the same (Digest.java).
func digest(s *state.State, root string) string {
	d := digester{s: s, units: nil}
	var sum uint64
	t := s.Type(root)
	for o := range t.Ordinals() {
		sum += scramble(d.record(t.Record(o)))
	}
	return fmt.Sprintf("%016x of %d", sum, t.Len())
}

type digester struct {
	s     *state.State
	units []uint16
}

const (
	digestPrime = 0x9e3779b97f4a7c15
	digestNull  = 0x6e756c6c
)

func scramble(h uint64) uint64 {
	h = (h ^ h>>32) * digestPrime
	return h ^ h>>29
}

func (d *digester) record(r state.Record) uint64 {
	schema := r.Type().Schema()
	var h uint64
	switch schema.Kind {
	case state.Object:
		for f, field := range schema.Fields {
			h += scramble(ofUnits(utf16.Encode([]rune(field.Name))) + digestPrime*d.field(r, f, field))
		}
	case state.List:
		for i := range r.Len() {
			h = h*31 + d.at(schema.Element, r.Element(i)) + 1
		}
	case state.Set:
		for i := range r.Len() {
			h += scramble(d.at(schema.Element, r.Element(i)))
		}
	case state.Map:
		for i := range r.Len() {
			k, v := r.Entry(i)
			h += scramble(d.at(schema.Element, k)*31 + d.at(schema.Value, v))
		}
	}
	return scramble(h)
}

func (d *digester) at(typeName string, o state.Ordinal) uint64 {
	return d.record(d.s.Type(typeName).Record(o))
}

func (d *digester) field(r state.Record, f int, field state.Field) uint64 {
	if r.IsNull(f) {
		return digestNull
	}
	v := r.Value(f)
	switch field.Type {
	case state.Int:
		return uint64(int64(v.Int()))
	case state.Long:
		return uint64(v.Long())
	case state.Boolean:
		if v.Bool() {
			return 1
		}
		return 2
	case state.Float:
		return uint64(math.Float32bits(v.Float()))
	case state.Double:
		return math.Float64bits(v.Double())
	case state.String:
		d.units = r.AppendUTF16(d.units[:0], f)
		return ofUnits(d.units)
	case state.Bytes:
		var h uint64
		for _, b := range v.Data() {
			h = h*31 + uint64(b)
		}
		return h
	}
	return d.at(field.Ref, v.Reference())
}

func ofUnits(units []uint16) uint64 {
	var h uint64
	for _, u := range units {
		h = h*31 + uint64(u)
	}
	return h
}
