package state_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// withProcessors runs f as on a machine with n processors: so many parts are
// decoded at once.
func withProcessors(n int, f func()) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(n))
	f()
}

// manyRecords makes a state whose types are loaded in one part and in two.
// Thousands of ordinals on end are not populated, at the border of two parts
// and at the end of one.
func manyRecords(t *testing.T) *state.State {
	t.Helper()
	all := buildMany(t, nil, func(int) bool { return true })
	return buildMany(t, all, func(i int) bool { return i%7 != 0 && (i < 20_000 || i > 34_000) && i < 69_000 })
}

// buildMany makes the version after base of those records that keep names.
func buildMany(t *testing.T, base *state.State, keep func(i int) bool) *state.State {
	t.Helper()
	schemas, err := state.ParseSchemas(`
		Root @PrimaryKey(id) { long id; int n; string text; double d; Small small; }
		Small { int n; bytes b; }
		Tags List<Small>;
		Group Set<Small>;
		Prices Map<Small,Small>;
		Nothing { string s; }`)
	if err != nil {
		t.Fatal(err)
	}
	b, err := state.NewBuilder(base, schemas)
	if err != nil {
		t.Fatal(err)
	}
	var small []state.Ordinal
	for i := range 500 {
		o, err := b.AddObject("Small", []state.Value{state.IntValue(int32(i)), state.BytesValue([]byte{byte(i), byte(i >> 8)})})
		if err != nil {
			t.Fatal(err)
		}
		small = append(small, o)
	}
	for i := range 70_000 {
		if keep(i) {
			if err := addMany(b, i, small); err != nil {
				t.Fatal(err)
			}
		}
	}
	s, err := b.Finish(state.Header{Origin: -1, Tag: 1})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// addMany adds the i'th record of each type.
func addMany(b *state.Builder, i int, small []state.Ordinal) error {
	text := state.StringValue(fmt.Sprint("text ", i%1000))
	if i%11 == 0 {
		text = state.Null()
	}
	_, err := b.AddObject("Root", []state.Value{
		state.LongValue(int64(i)), state.IntValue(int32(i * i % 977)), text,
		state.DoubleValue(float64(i) / 8), state.ReferenceValue(small[i%len(small)]),
	})
	if err != nil || i >= 40_000 {
		return err
	}
	a, c, d := small[i%500], small[i/500], small[(i+i/500+1)%500]
	_, list := b.AddList("Tags", []state.Ordinal{a, c, a})
	_, set := b.AddSet("Group", []state.Ordinal{a, c, d})
	_, prices := b.AddMap("Prices", []state.Entry{{Key: a, Value: c}, {Key: d, Value: a}})
	return errors.Join(list, set, prices)
}

// TestLoadInParts loads snapshots with several goroutines a type: the state is
// the one that a single goroutine makes.
func TestLoadInParts(t *testing.T) {
	made := manyRecords(t)
	for _, shards := range []int{1, 2, 8} {
		for _, typ := range made.Types() {
			state.SetShards(typ, shards)
		}
		var blob bytes.Buffer
		if err := (state.Transition{Next: made}).WriteSnapshot(&blob); err != nil {
			t.Fatal(err)
		}
		load := func(processors int) (s *state.State) {
			withProcessors(processors, func() {
				var err error
				if s, err = state.ReadSnapshot(blob.Bytes(), state.ReadOptions{}); err != nil {
					t.Fatal(err)
				}
			})
			return s
		}
		single, parts := load(1), load(4)
		compareSizes(t, shards, parts, single)
		if parts.HollowChecksum() != made.HollowChecksum() {
			t.Errorf("%d shards: another content", shards)
		}
		switch shards {
		case 1:
			if !bytes.Equal(dumpOf(t, single), dumpOf(t, parts)) {
				t.Error("the dumps differ")
			}
		case 8:
			compareRecords(t, parts, made)
		}
	}
}

// TestApplyAtOnce applies deltas that change several types, each in its own
// goroutine, to a state that was loaded in parts. It is for -race, too.
func TestApplyAtOnce(t *testing.T) {
	var blob bytes.Buffer
	if err := (state.Transition{Next: buildMany(t, nil, func(i int) bool { return i%2 == 0 })}).WriteSnapshot(&blob); err != nil {
		t.Fatal(err)
	}
	withProcessors(2, func() {
		s, err := state.ReadSnapshot(blob.Bytes(), state.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		next := buildMany(t, s, func(i int) bool { return i%64 < 48 })
		checkLaws(t, state.Transition{Prev: s, Next: next})
	})
}

// compareSizes compares a state that was loaded in parts with one that was
// loaded in one.
func compareSizes(t *testing.T, shards int, parts, single *state.State) {
	t.Helper()
	if a, b := parts.Size(), single.Size(); a > b*105/100 || a < b*95/100 { // the order of pages decides about layouts
		t.Errorf("%d shards: %d bytes in parts, %d at once", shards, a, b)
	}
	for _, typ := range parts.Types() {
		name, want := typ.Schema().Name, single.Type(typ.Schema().Name)
		if err := state.Verify(typ); err != nil || typ.Len() != want.Len() || typ.Max() != want.Max() || typ.NumShards() != shards {
			t.Errorf("%s has %d records up to %d in %d shards, want %d up to %d in %d; error %v",
				name, typ.Len(), typ.Max(), typ.NumShards(), want.Len(), want.Max(), shards, err)
		}
	}
}

func compareRecords(t *testing.T, got, want *state.State) {
	t.Helper()
	for _, typ := range want.Types() {
		loaded := got.Type(typ.Schema().Name)
		for o := range typ.Ordinals() {
			if !loaded.Populated(o) || !sameRecord(loaded.Record(o), typ.Record(o)) {
				t.Fatalf("%s %d is not the record that was written", typ.Schema().Name, o)
			}
		}
	}
}

// shared is a snapshot of 131,072 ordinals in two parts. Each value but the
// first of a part has one byte or entry; with overlap the second part has the
// same ones as the first, else it has none.
func shared(list, overlap bool) []byte {
	const half = 1 << 16
	p := newTrap(1)
	if list {
		p.blob = append(p.blob, 2)
		p.utf("L").utf("X").vints(0, 2*half-1, 32, 8).vlong(half - 1)
	} else {
		p.object("T", "STRING", 1).vints(2*half-1, 32)
	}
	rows := make([]uint64, half)
	for i := range 2 * half {
		rows[i/2] |= uint64(i%half) << (i % 2 * 32)
	}
	p.words(rows...)
	if list {
		p.words(make([]uint64, half/8)...)
	} else {
		p.blob = append(wire.AppendVlong(p.blob, half-1), make([]byte, half-1)...)
	}
	p.blob = binary.BigEndian.AppendUint32(p.blob, 2*half/64)
	for w := range 2 * half / 64 {
		word := ^uint64(0)
		switch {
		case w >= half/64 && !overlap:
			word = 0
		case w == half/64:
			word &^= 1 // it would begin at the end of the first part
		}
		p.blob = binary.BigEndian.AppendUint64(p.blob, word)
	}
	return p.blob
}

// TestLoadRefusesOverlap holds that what parts have decoded is added up: each
// of them alone has taken no more than there is.
func TestLoadRefusesOverlap(t *testing.T) {
	for _, list := range []bool{false, true} {
		for _, processors := range []int{1, 2, 4} {
			withProcessors(processors, func() {
				s, err := state.ReadSnapshot(shared(list, false), state.ReadOptions{})
				if err != nil || s.Types()[0].Len() != 1<<16 || state.Verify(s.Types()[0]) != nil {
					t.Fatalf("list %v, %d processors, no overlap: error %v", list, processors, err)
				}
				for o := range s.Types()[0].Ordinals() {
					if n := sizeOf(s.Types()[0].Record(o)); n != min(int(o), 1) {
						t.Fatalf("list %v, %d processors: record %d has a length of %d", list, processors, o, n)
					}
				}
				if _, err := state.ReadSnapshot(shared(list, true), state.ReadOptions{}); !errors.Is(err, state.ErrCorrupt) {
					t.Errorf("list %v, %d processors, overlap: error %v, want ErrCorrupt", list, processors, err)
				}
			})
		}
	}
}

// sizeOf returns the number of a list's elements, or of a text's bytes.
func sizeOf(r state.Record) int {
	if r.Type().Schema().Kind == state.List {
		return r.Len()
	}
	text, _ := r.StringView(0)
	return len(text)
}
