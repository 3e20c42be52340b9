package state_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"slices"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// mustSchemas parses schemas.
func mustSchemas(t *testing.T, text string) []*state.Schema {
	t.Helper()
	schemas, err := state.ParseSchemas(text)
	if err != nil {
		t.Fatal(err)
	}
	return schemas
}

// TestReleaseOfLongChain takes away a record and a chain of others that only it leads
// to, longer than a stack could be deep.
func TestReleaseOfLongChain(t *testing.T) {
	const n = 3_000_000
	e, err := state.NewEditor(nil, mustSchemas(t, "N { N next; }\nR { int id; N n; }"))
	if err != nil {
		t.Fatal(err)
	}
	next := state.Null()
	for range n {
		o, err := e.AddObject("N", []state.Value{next})
		if err != nil {
			t.Fatal(err)
		}
		next = state.ReferenceValue(o)
	}
	r, err := e.AddObject("R", []state.Value{state.IntValue(1), next})
	if err == nil {
		err = e.Hold("R", r)
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := e.Build(state.Header{Tag: 1})
	if err != nil || s.Type("N").Len() != n {
		t.Fatalf("%d records, want %d (%v)", s.Type("N").Len(), n, err)
	}
	e.Commit(s)
	if err := e.Release("R", r); err != nil {
		t.Fatal(err)
	}
	if s, err = e.Build(state.Header{Tag: 2}); err != nil || s.Type("N").Len() != 0 || s.Type("R").Len() != 0 {
		t.Fatalf("%d and %d records are left, want none (%v)", s.Type("N").Len(), s.Type("R").Len(), err)
	}
	e.Abort()
	if s, err = e.Build(state.Header{Tag: 2}); err != nil || s.Type("N").Len() != n {
		t.Fatalf("%d records after Abort, want %d (%v)", s.Type("N").Len(), n, err)
	}
}

// TestEditorOfDangling refuses states with references to nothing, in memory for what
// is there.
func TestEditorOfDangling(t *testing.T) {
	schemas := mustSchemas(t, "C { int v; }\nR { C c; }")
	for _, to := range []uint64{1, 3, 200, 1<<29 - 1} { // of C, 0 and 2 are populated
		s, err := state.ReadSnapshot(danglingSnapshot(to), state.ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err = state.NewEditor(s, schemas)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, state.ErrDangling) {
			t.Errorf("C %d: %v, want ErrDangling", to, err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<20 {
			t.Errorf("C %d: %d bytes were allocated", to, n)
		}
	}
	for _, to := range []uint64{0, 2} {
		s, err := state.ReadSnapshot(danglingSnapshot(to), state.ReadOptions{})
		if err == nil {
			_, err = state.NewEditor(s, schemas)
		}
		if err != nil {
			t.Errorf("C %d: %v", to, err)
		}
	}
}

// danglingSnapshot returns a snapshot of C 0 and C 2 and an R that refers to a C.
func danglingSnapshot(to uint64) []byte {
	utf := func(b []byte, s string) []byte { return append(binary.BigEndian.AppendUint16(b, uint16(len(s))), s...) }
	b := binary.BigEndian.AppendUint32(nil, 1030)
	b = binary.BigEndian.AppendUint64(b, 0)
	b = binary.BigEndian.AppendUint64(b, 1)
	b = append(b, 0)                        // no envelope
	b = binary.BigEndian.AppendUint16(b, 0) // no tags
	b = append(b, 2)                        // types
	b = utf(append(b, 0), "C")              // C { int v; }
	b = binary.BigEndian.AppendUint16(b, 1)
	b = utf(utf(b, "v"), "INT")
	b = append(b, 0, 2, 2, 1) // compatibility, greatest ordinal, width, words
	b = binary.BigEndian.AppendUint64(b, 0)
	b = append(b, 0)
	b = binary.BigEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint64(b, 1<<0|1<<2)
	b = utf(append(b, 0), "R") // R { C c; }
	b = binary.BigEndian.AppendUint16(b, 1)
	b = utf(utf(utf(b, "c"), "REFERENCE"), "C")
	b = append(b, 0, 0, 30, 1)
	b = binary.BigEndian.AppendUint64(b, to)
	b = append(b, 0)
	b = binary.BigEndian.AppendUint32(b, 1)
	return binary.BigEndian.AppendUint64(b, 1)
}

// TestHashKeyBesideCircle builds sets whose hash keys lead through types that circles
// are behind, or that are in one, whatever they are called.
func TestHashKeyBesideCircle(t *testing.T) {
	for _, name := range []string{"Bag", "Zag"} {
		for _, text := range []string{
			"Person { int id; Person boss; }\nEmp { string name; Person p; }\n" + name + " Set<Emp> @HashKey(name);",
			"Emp { string name; " + name + " kids; }\n" + name + " Set<Emp> @HashKey(name);",
		} {
			for _, editing := range []bool{false, true} {
				s := buildBag(t, mustSchemas(t, text), name, editing)
				r := s.Type(name).Record(0)
				if o, ok := r.Find(r.Element(0)); !ok || o != 0 {
					t.Errorf("%s: the element is not found", text)
				}
			}
		}
	}
}

// buildBag returns a state with one Emp, in a set of that type.
func buildBag(t *testing.T, schemas []*state.Schema, set string, editing bool) *state.State {
	t.Helper()
	must := func(o state.Ordinal, err error) state.Ordinal {
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	add := func(to sink) state.Ordinal {
		e := must(to.AddObject("Emp", []state.Value{state.StringValue("x"), state.Null()}))
		return must(to.AddSet(set, []state.Ordinal{e}))
	}
	var s *state.State
	var err error
	if editing {
		e, fail := state.NewEditor(nil, schemas)
		if fail != nil {
			t.Fatal(fail)
		}
		if err := e.Hold(set, add(e)); err != nil {
			t.Fatal(err)
		}
		s, err = e.Build(state.Header{Tag: 1})
	} else {
		b, fail := state.NewBuilder(nil, schemas)
		if fail != nil {
			t.Fatal(fail)
		}
		add(b)
		s, err = b.Finish(state.Header{Tag: 1})
	}
	if err != nil {
		t.Fatalf("%v: %v", schemas, err)
	}
	return s
}

// TestChangedHashKey refuses deltas between versions in which entries of sets have other
// places.
func TestChangedHashKey(t *testing.T) {
	build := func(base *state.State, text string, tag, n int64) *state.State {
		b, err := state.NewBuilder(base, mustSchemas(t, text))
		if err != nil {
			t.Fatal(err)
		}
		var list []state.Ordinal
		for i := range n {
			o, err := b.AddObject("M", []state.Value{state.LongValue(i * 1_000_003)})
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, o)
		}
		if _, err := b.AddSet("S", list); err != nil {
			t.Fatal(err)
		}
		s, err := b.Finish(state.Header{Origin: -1, Tag: tag})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	const keyed, plain = "M { long v; }\nS Set<M> @HashKey(v);", "M { long v; }\nS Set<M>;"
	for _, texts := range [][2]string{{keyed, plain}, {plain, keyed}} {
		a := build(nil, texts[0], 1, 20)
		tr := state.Transition{Prev: a, Next: build(a, texts[1], 2, 21)}
		var b bytes.Buffer
		for name, write := range map[string]func(io.Writer) error{"delta": tr.WriteDelta, "reverse delta": tr.WriteReverseDelta} {
			if err := write(&b); !errors.Is(err, state.ErrIncompatible) {
				t.Errorf("%s from %s to %s: %v, want ErrIncompatible", name, texts[0], texts[1], err)
			}
		}
	}
}

// TestBuildAgain builds a version after a Build that failed, with a record that went, came
// back and went again: nothing else goes with it.
func TestBuildAgain(t *testing.T) {
	e, err := state.NewEditor(nil, mustSchemas(t, "N { int v; }\nK { string v; }\nS Set<K> @HashKey(v);"))
	if err != nil {
		t.Fatal(err)
	}
	must := func(o state.Ordinal, err error) state.Ordinal {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return o
	}
	add := func(v int32) state.Ordinal { return must(e.AddObject("N", []state.Value{state.IntValue(v)})) }
	done := func(err error) { must(0, err) }
	version := func(tag int64) {
		s, err := e.Build(state.Header{Origin: -1, Tag: tag})
		done(err)
		e.Commit(s)
	}
	first, second := add(1), add(2)
	done(e.Hold("N", first))
	done(e.Hold("N", second))
	version(1)
	done(e.Release("N", first)) // nothing has its ordinal, 0, from now on
	version(2)
	done(e.Release("N", second))
	done(e.Hold("N", add(2)))
	done(e.Release("N", second))
	bad := must(e.AddSet("S", []state.Ordinal{must(e.AddObject("K", []state.Value{state.Null()}))}))
	done(e.Hold("S", bad))
	if _, err := e.Build(state.Header{Origin: -1, Tag: 3}); !errors.Is(err, state.ErrNotStorable) {
		t.Fatalf("a null in a hash key: %v", err)
	}
	done(e.Release("S", bad))
	if _, err := e.Build(state.Header{Origin: -1, Tag: 3}); err != nil {
		t.Fatal(err)
	}
	if got := e.Changes()["N"].Removed; !slices.Equal(got, []state.Ordinal{second}) {
		t.Errorf("%v were removed, want %d", got, second)
	}
}
