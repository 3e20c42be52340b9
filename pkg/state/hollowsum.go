package state

import (
	"math"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// HollowChecksum returns the checksum that Hollow's integrity check compares.
// It depends on ordinals, shard counts and the places in hash tables, not only
// on the content; see Checksum for that.
func (s *State) HollowChecksum() uint32 {
	var c int32
	for _, t := range s.types {
		c = sum32(c, t.hollowSum())
	}
	return uint32(c)
}

func sum32(c, v int32) int32 { return wire.HashInt(c ^ wire.HashInt(v)) }

func sum64(c int32, v uint64) int32 { return wire.HashInt(c ^ wire.HashLong(int64(v))) }

func (t *Type) hollowSum() int32 {
	fields := make([]int, len(t.schema.Fields))
	for f := range fields {
		fields[f] = f
	}
	slices.SortStableFunc(fields, func(a, b int) int {
		return compareUTF16(t.schema.Fields[a].Name, t.schema.Fields[b].Name)
	})
	shards := make([][]Ordinal, t.shards)
	for o := range t.Ordinals() {
		i := int(o) % t.shards
		shards[i] = append(shards[i], o)
	}
	var c int32
	var scratch []byte
	for _, ordinals := range shards {
		for _, o := range ordinals {
			c = sum32(c, int32(o))
			if t.schema.Kind == Object {
				c, scratch = t.Record(o).hollowSumFields(c, fields, scratch)
				continue
			}
			c = t.Record(o).hollowSumEntries(c)
		}
	}
	return c
}

func (r Record) hollowSumFields(c int32, fields []int, scratch []byte) (int32, []byte) {
	for _, f := range fields {
		t := r.t.schema.Fields[f].Type
		if t.variable() {
			data, null := r.span(f)
			switch {
			case null:
				c = sum32(c, -1)
				continue
			case t == String:
				scratch = wire.AppendString(scratch[:0], data)
				data = scratch
			}
			c = sum32(c, wire.Murmur(data))
			continue
		}
		x := r.fixed(f)
		switch {
		case t == Float || t == Double:
			c = sum64(c, x) // null is summed as its bits
		case x == 0:
			c = sum32(c, math.MaxInt32)
		default:
			c = sum64(c, x-1)
		}
	}
	return c, scratch
}

func (r Record) hollowSumEntries(c int32) int32 {
	for _, e := range appendEntries(nil, r.page(), r.slot()) {
		if r.t.schema.Kind != List {
			c = sum32(c, int32(e.bucket))
		}
		c = sum32(c, int32(e.element))
		if r.t.schema.Kind == Map {
			c = sum32(c, int32(e.value))
		}
	}
	return c
}
