package state_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// scanned makes a state with a type that has fields of all types, whose values
// are alike for a stretch and then others, and collections of it. Many ordinals
// are not populated, in some stretches none.
func scanned(tb testing.TB) *state.State {
	tb.Helper()
	schemas, err := state.ParseSchemas(`
		T { int i; long l; boolean b; float f; double d; string s; bytes y; U u; }
		U { int n; }
		L List<U>;
		S Set<U>;
		M Map<U,U>;`)
	if err != nil {
		tb.Fatal(err)
	}
	var base *state.State
	for version := range 2 {
		b, err := state.NewBuilder(base, schemas)
		if err != nil {
			tb.Fatal(err)
		}
		r := rand.New(rand.NewPCG(11, 12)) // the same for both versions
		var us []state.Ordinal
		for n := range int32(700) {
			o, err := b.AddObject("U", []state.Value{state.IntValue(n)})
			if err != nil {
				tb.Fatal(err)
			}
			us = append(us, o)
		}
		for i := range 6000 {
			values, list := scannedRecord(r, i, us)
			if version == 1 && (r.IntN(9) == 0 || i > 1000 && i < 2600) {
				continue
			}
			if err := addScanned(b, values, list); err != nil {
				tb.Fatal(err)
			}
		}
		if base, err = b.Finish(state.Header{Origin: -1, Tag: int64(version)}); err != nil {
			tb.Fatal(err)
		}
	}
	return base
}

// scannedRecord returns the i'th record and the elements of its collections.
func scannedRecord(r *rand.Rand, i int, us []state.Ordinal) (values []state.Value, list []state.Ordinal) {
	const stretch = 150 // longer than a page, and no multiple of it
	kind := i / stretch % 5
	var n int64
	switch kind {
	case 0:
		n = int64(i)*3 + 1<<33 // near a line
	case 1:
		n = 7_000
	case 2:
		n = r.Int64()>>r.IntN(64) - r.Int64()>>1
	case 3:
		n = int64(r.IntN(100)) * 3_600_000
	}
	null := func(v state.Value) state.Value {
		if kind == 4 || r.IntN(6) == 0 {
			return state.Null()
		}
		return v
	}
	extreme := []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), 1.5}[r.IntN(5)]
	values = []state.Value{
		null(state.IntValue(int32(n >> 8))), null(state.LongValue(n)), null(state.BoolValue(n&1 == 0)),
		null(state.FloatValue(float32(extreme) * float32(n))), null(state.DoubleValue(extreme)),
		state.StringValue(fmt.Sprint(i)), null(state.BytesValue([]byte{byte(i)})), null(state.ReferenceValue(us[int(uint64(n)%700)])),
	}
	if values[3].Float() != values[3].Float() { // a NaN is not stored
		values[3] = state.FloatValue(float32(i))
	}
	for range r.IntN(20) {
		list = append(list, us[r.IntN(1+i%len(us))])
	}
	return values, list
}

func addScanned(b *state.Builder, values []state.Value, list []state.Ordinal) error {
	if _, err := b.AddObject("T", values); err != nil {
		return err
	}
	if _, err := b.AddList("L", list); err != nil {
		return err
	}
	if _, err := b.AddSet("S", list); err != nil {
		return err
	}
	var entries []state.Entry
	for k, o := range list {
		if !slices.Contains(list[:k], o) {
			entries = append(entries, state.Entry{Key: o, Value: list[0]})
		}
	}
	_, err := b.AddMap("M", entries)
	return err
}

// TestScan compares what a Scanner reads with what records say one by one.
func TestScan(t *testing.T) {
	typ := scanned(t).Type("T")
	for f, field := range typ.Schema().Fields {
		if field.Type == state.String || field.Type == state.Bytes {
			continue
		}
		var ordinals []state.Ordinal
		s := typ.Scan(f)
		for s.Next() {
			list := slices.Clone(s.Ordinals())
			if len(list) == 0 || len(list) != len(s.Bits()) {
				t.Fatalf("%s: %d ordinals and %d values", field.Name, len(list), len(s.Bits()))
			}
			for i, o := range list {
				if r := typ.Record(o); r.IsNull(f) || s.Bits()[i] != r.Bits(f) {
					t.Fatalf("%s of %d is %#x, want %#x", field.Name, o, s.Bits()[i], r.Bits(f))
				}
			}
			compareScanned(t, s, typ, f, list)
			ordinals = append(ordinals, list...)
		}
		var want []state.Ordinal
		for o := range typ.Ordinals() {
			if !typ.Record(o).IsNull(f) {
				want = append(want, o)
			}
		}
		if !slices.Equal(ordinals, want) || len(want) == 0 {
			t.Errorf("%s: scanned %d records, want %d", field.Name, len(ordinals), len(want))
		}
		if s.Next() || len(s.Bits()) != 0 {
			t.Errorf("%s: there are records behind the last", field.Name)
		}
	}
}

// TestScanRange scans ranges that begin and end anywhere: they have what is in them of
// a scan of all.
func TestScanRange(t *testing.T) {
	typ := scanned(t).Type("T")
	rapid.Check(t, func(t *rapid.T) {
		f := rapid.SampledFrom([]int{0, 3}).Draw(t, "field")
		from := state.Ordinal(rapid.IntRange(-1, 7000).Draw(t, "from"))
		to := from + state.Ordinal(rapid.OneOf(rapid.IntRange(-5, 40), rapid.IntRange(0, 7000), rapid.Just(1024)).Draw(t, "length"))
		var want, got []state.Ordinal
		for s := typ.Scan(f); s.Next(); {
			for _, o := range s.Ordinals() {
				if o >= from && o < to {
					want = append(want, o)
				}
			}
		}
		for s := typ.ScanRange(f, from, to); s.Next(); {
			list := s.Ordinals()
			compareBits(t, s, typ, f, list)
			got = append(got, list...)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("from %d to %d there are %v, want %v", from, to, got, want)
		}
	})
}

func compareBits(t *rapid.T, s *state.Scanner, typ *state.Type, f int, list []state.Ordinal) {
	bits := s.Bits()
	if len(bits) != len(list) {
		t.Fatalf("%d ordinals and %d values", len(list), len(bits))
	}
	for i, o := range list {
		if want := typ.Record(o).Bits(f); bits[i] != want {
			t.Fatalf("%d is %#x, want %#x", o, bits[i], want)
		}
	}
}

// compareScanned compares the numbers that fit a field's type.
func compareScanned(t *testing.T, s *state.Scanner, typ *state.Type, f int, list []state.Ordinal) {
	t.Helper()
	for i, o := range list {
		v := typ.Record(o).Value(f)
		switch v.Type() {
		case state.Int, state.Long:
			if got := s.Longs()[i]; got != v.Long() {
				t.Fatalf("%d has the number %d, want %d", o, got, v.Long())
			}
		case state.Float:
			if got := s.Doubles()[i]; math.Float64bits(got) != math.Float64bits(float64(v.Float())) {
				t.Fatalf("%d has the number %v, want %v", o, got, v.Float())
			}
		case state.Double:
			if got := s.Doubles()[i]; math.Float64bits(got) != math.Float64bits(v.Double()) {
				t.Fatalf("%d has the number %v, want %v", o, got, v.Double())
			}
		}
	}
}

func TestScanOfNothing(t *testing.T) {
	schemas, err := state.ParseSchemas("T { int i; }")
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.Finish(state.Header{})
	if err != nil {
		t.Fatal(err)
	}
	if s.Type("T").Scan(0).Next() {
		t.Error("there is a record in an empty type")
	}
	s.Type("T").Prefetch([]state.Ordinal{state.NoOrdinal, 0, state.MaxOrdinal})
}

// TestAppendElements compares elements and entries that are read at once with
// those that are read one by one.
func TestAppendElements(t *testing.T) {
	s := scanned(t)
	for _, name := range []string{"L", "S", "M"} {
		typ := s.Type(name)
		longest := 0
		for o := range typ.Ordinals() {
			r := typ.Record(o)
			elements, want := []state.Ordinal{-7}, []state.Ordinal{-7}
			var entries, wantEntries []state.Entry
			for i := range r.Len() {
				want = append(want, r.Element(i))
				if name == "M" {
					k, v := r.Entry(i)
					wantEntries = append(wantEntries, state.Entry{Key: k, Value: v})
				}
			}
			if elements = r.AppendElements(elements); !slices.Equal(elements, want) {
				t.Fatalf("%s %d: %v, want %v", name, o, elements, want)
			}
			if name == "M" {
				if entries = r.AppendEntries(entries); !slices.Equal(entries, wantEntries) {
					t.Fatalf("%s %d: %v, want %v", name, o, entries, wantEntries)
				}
			}
			longest = max(longest, r.Len())
			typ.Prefetch(elements[:1])
		}
		if longest < 10 {
			t.Errorf("%s has no record of more than %d entries", name, longest)
		}
	}
}

// TestNoSuchField asks for fields that a record does not have.
func TestNoSuchField(t *testing.T) {
	typ := scanned(t).Type("T")
	r := typ.Record(typ.Max())
	for _, f := range []int{-1, len(typ.Schema().Fields), 1 << 40} {
		for name, read := range map[string]func(){
			"Int":          func() { r.Int(f) },
			"Long":         func() { r.Long(f) },
			"Float":        func() { r.Float(f) },
			"Double":       func() { r.Double(f) },
			"Reference":    func() { r.Reference(f) },
			"StringView":   func() { r.StringView(f) },
			"AppendString": func() { _, _ = r.AppendString(nil, f) },
			"Prefetch":     func() { r.Prefetch(f) },
			"Match":        func() { typ.Match(r.Ordinal(), f, 0) },
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s of field %d: no panic", name, f)
					}
				}()
				read()
			}()
		}
	}
}
