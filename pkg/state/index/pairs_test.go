package index

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// TestSortPairs has heads and tails that differ in few bits, in many, and in
// none, and as many pairs as several processors share.
func TestSortPairs(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{0, 1, 2, 300, 50_000} {
		for _, masks := range [][2]uint64{{0, 0}, {0xff << 48, 0}, {0x8000_0000_0000_0001, 3}, {1<<25 - 1, 1<<20 - 1}, {math.MaxUint64, 0}, {7, math.MaxUint32}} {
			list := make([]pair, n)
			for i := range list {
				list[i] = keyRef{0x83<<56 ^ r.Uint64()&masks[0], uint32(r.Uint64() & masks[1])}.pair(i)
			}
			want := slices.Clone(list)
			slices.SortFunc(want, func(a, b pair) int { return slices.Compare(a[:], b[:]) })
			if got := sortPairs(list, make([]pair, n)); !slices.Equal(got, want) {
				t.Errorf("%d pairs, masks %x: not sorted, or not stable", n, masks)
			}
		}
	}
}

// TestGroup groups the records of lists that many have, few and one.
func TestGroup(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	for _, n := range []int{1, 60, 30_000} {
		records := make([]state.Ordinal, 40_000)
		keys := make([][]uint32, len(records))
		want := make([][]state.Ordinal, n)
		for i := range records {
			records[i] = state.Ordinal(3 * i)
			for range r.IntN(4) {
				key := uint32(r.IntN(n))
				keys[i] = append(keys[i], key)
				want[key] = append(want[key], records[i])
			}
		}
		got := group(records, n, func(i int) []uint32 { return keys[i] })
		for key := range want {
			if list := got.of(int32(key)); !slices.Equal(list, want[key]) {
				t.Fatalf("%d keys: key %d has %d records, want %d", n, key, len(list), len(want[key]))
			}
		}
	}
}

// TestHeadOfNumbers takes codes of numbers from their heads alone.
func TestHeadOfNumbers(t *testing.T) {
	var values []state.Value
	for shift := range 64 {
		for _, x := range []int64{1<<shift - 1, 1 << shift, 1<<shift + 1} {
			for _, v := range []int64{x, -x, ^x} {
				values = append(values, state.LongValue(v), state.IntValue(int32(v)))
			}
		}
	}
	for _, v := range []float32{0, 1.5, -1.5, math.MaxFloat32} {
		values = append(values, state.FloatValue(v))
	}
	values = append(values, state.Null(), state.BoolValue(true), state.BoolValue(false), state.ReferenceValue(70_000))
	short := 0
	for _, v := range values {
		code := appendParts(nil, []state.Value{v})
		head, ok := integerHead(v)
		if v.Type() == state.Int && !ok || ok && head != headOf(code) {
			t.Errorf("head of %v = %x, %v, want %x", v, head, ok, headOf(code))
		}
		if ok && len(code) > 8 {
			t.Errorf("head of %v has no room for its code %x", v, code)
		}
		if len(code) > 8 {
			continue
		}
		short++
		x := exchanged{keys: []pair{keyRef{headOf(code), tailNone}.pair(0)}}
		var room [8]byte
		if key, _ := x.keyAt(0, &room); !slices.Equal(key, code) {
			t.Errorf("code of %v = %x, want %x", v, key, code)
		}
	}
	if short < 300 {
		t.Errorf("only %d short codes", short)
	}
}

// TestKeysInOrder renumbers keys of every length, of two finders, in the order
// that trees have them in.
func TestKeysInOrder(t *testing.T) {
	var keys [][]byte
	for _, text := range []string{"", "a", "a\x00", "a\x00\x00", "abcdefg", "abcdefgh", "abcdefghi", "abcdefg\x00", "abcdefg\x00\x00", "b"} {
		keys = append(keys, appendParts(nil, []state.Value{state.StringValue(text)}))
	}
	keys = append(keys, []byte{codeNull})
	r := rand.New(rand.NewPCG(5, 6))
	x := &inverted{types: []state.FieldType{state.String}, sorted: false}
	var e exchange
	var noted [2][][]byte
	for i := range noted {
		f := &finder{x: x, long: newNumbers()}
		e.parts = append(e.parts, f)
		for range 100 {
			key := keys[r.IntN(len(keys))]
			v := state.Null()
			if len(key) > 1 || key[0] == codeData {
				v = state.StringValue(string(key[1:]))
			}
			f.note(f.number([]state.Value{v}))
			noted[i] = append(noted[i], key)
		}
	}
	got := exchanged{long: e.rankLong()}
	got.keys = e.rank()
	slices.SortFunc(keys, slices.Compare)
	if got.size() != len(keys) {
		t.Fatalf("%d keys, want %d", got.size(), len(keys))
	}
	for i, want := range keys {
		var room [8]byte
		if key, head := got.keyAt(i, &room); !slices.Equal(key, want) || head != headOf(want) {
			t.Errorf("key %d is %q, want %q", i, key, want)
		}
	}
	for i, f := range e.parts {
		for k, n := range f.keys {
			if want := noted[i][k]; !slices.Equal(keys[n], want) {
				t.Errorf("finder %d: key %d is %q, want %q", i, k, keys[n], want)
			}
		}
	}
}
