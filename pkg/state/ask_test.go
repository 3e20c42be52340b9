package state_test

import (
	"math/rand/v2"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// TestLocate compares records that are found together with those found one by one,
// whatever is asked for, and says of each which field is not what it should be.
func TestLocate(t *testing.T) {
	s := scanned(t)
	r := rand.New(rand.NewPCG(5, 6))
	for _, name := range []string{"T", "U", "L", "S", "M"} {
		typ := s.Type(name)
		numbers := []int{}
		for f, field := range typ.Schema().Fields {
			if field.Type != state.String && field.Type != state.Bytes {
				numbers = append(numbers, f)
			}
		}
		gone := 0
		for range 500 {
			list := make([]state.Ordinal, r.IntN(40))
			for i := range list {
				list[i] = state.Ordinal(r.IntN(int(typ.Max()) + 40))
			}
			list = append(list, state.NoOrdinal, state.MaxOrdinal)[:len(list)+r.IntN(3)]
			found := make([]state.Record, len(list)+r.IntN(2))
			for i := range found {
				found[i] = typ.Record(typ.Max()) // which Locate must not leave
			}
			var fields []int
			for range r.IntN(4) * min(len(typ.Schema().Fields), 1) {
				fields = append(fields, r.IntN(len(typ.Schema().Fields)))
			}
			typ.Locate(found, list, fields...)
			for i, o := range list {
				switch got := found[i]; {
				case !typ.Populated(o):
					if gone++; got.Type() != nil || got.Ordinal() != 0 {
						t.Fatalf("%s: found record %d in the place of %d, which is none", name, got.Ordinal(), o)
					}
				case got.Type() != typ || got.Ordinal() != o:
					t.Fatalf("%s: found record %d of %v, want %d", name, got.Ordinal(), got.Type(), o)
				}
			}
			if len(numbers) > 0 {
				matched(t, r, found[:len(list)], numbers[r.IntN(len(numbers))])
			}
		}
		if gone == 0 {
			t.Errorf("%s: all records that were asked for were there", name)
		}
	}
}

// matched holds Unmatched against Bits, of records that may have no type.
func matched(t *testing.T, r *rand.Rand, records []state.Record, f int) {
	t.Helper()
	bits := make([]uint64, len(records), len(records)+1)
	var want uint64
	for i, one := range records {
		if one.Type() != nil {
			bits[i] = one.Bits(f)
		}
		if r.IntN(4) == 0 {
			bits[i] ^= 1 << r.IntN(64)
		}
		if one.Type() == nil || one.Bits(f) != bits[i] {
			want |= 1 << i
		}
	}
	if got := state.Unmatched(records, f, bits[:cap(bits)][:len(records)+r.IntN(2)]); got != want {
		t.Fatalf("field %d: unmatched are %b, want %b", f, got, want)
	}
}

// TestLocateRefuses holds that what has no room is not half found, and what no record
// has not asked for.
func TestLocateRefuses(t *testing.T) {
	typ := scanned(t).Type("T")
	list := []state.Ordinal{typ.Max(), typ.Max()}
	for name, look := range map[string]func(){
		"too little room":      func() { typ.Locate(make([]state.Record, 1), list) },
		"too few numbers":      func() { state.Unmatched(make([]state.Record, 2), 0, make([]uint64, 1)) },
		"a field too many":     func() { typ.Locate(make([]state.Record, 2), list, 0, len(typ.Schema().Fields)) },
		"a field before all":   func() { typ.Locate(make([]state.Record, 2), list, -1) },
		"a number of no field": func() { state.Unmatched([]state.Record{typ.Record(typ.Max())}, -1, make([]uint64, 1)) },
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s was not refused", name)
				}
			}()
			look()
		}()
	}
}
