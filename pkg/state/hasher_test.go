package state_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/holdfast-data/holdfast/bench/movies"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state"
)

// TestHasherGoesOn carries one Hasher along a chain of versions, as a producer
// does, with states that were decoded between them; it says what a new one
// says.
func TestHasherGoesOn(t *testing.T) {
	c := &catalogue{movies: movies.New(benchMovies, 1)}
	e, s, err := c.first()
	if err != nil {
		t.Fatal(err)
	}
	h := state.NewHasher(s)
	sum, err := h.Checksum()
	if err != nil {
		t.Fatal(err)
	}
	for n := range 8 {
		next, err := c.change(e, s, n+1+rand.IntN(2))
		if err != nil {
			t.Fatal(err)
		}
		var delta bytes.Buffer
		if err := (state.Transition{Prev: s, Next: next}).WriteDelta(&delta); err != nil {
			t.Fatal(err)
		}
		decoded, err := s.Apply(delta.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if err := state.Same(next, decoded); err != nil {
			t.Fatal(err)
		}
		if sum, err = h.Next(sum, decoded, e.Changes()); err != nil {
			t.Fatal(err)
		}
		h.MoveTo(next)
		var want dataset.Digest
		if want, err = next.Checksum(); err != nil || sum != want {
			t.Fatalf("version %d: %s, want %s, error %v", n, sum, want, err)
		}
		e.Commit(next)
		s = next
	}
}

// TestHasherForgets carries one Hasher along versions in which ordinals of
// records that many others refer to get other contents.
func TestHasherForgets(t *testing.T) {
	schemas, err := state.ParseSchemas("E { int n; }\nT @PrimaryKey(id) { int id; E e; }")
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	var s *state.State
	var h *state.Hasher
	var sum dataset.Digest
	for n := range int32(40) {
		b, err := state.NewBuilder(s, schemas)
		if err != nil {
			t.Fatal(err)
		}
		for id := range int32(30) {
			e, err := b.AddObject("E", []state.Value{state.IntValue(n/3 + r.Int32N(4))})
			if err == nil {
				_, err = b.AddObject("T", []state.Value{state.IntValue(id), state.ReferenceValue(e)})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		next, err := b.Finish(state.Header{})
		if err != nil {
			t.Fatal(err)
		}
		want, err := next.Checksum()
		if err != nil {
			t.Fatal(err)
		}
		if s == nil {
			h = state.NewHasher(next)
			sum, err = h.Checksum()
		} else {
			sum, err = h.Next(sum, next, state.ChangesBetween(s, next))
		}
		if err != nil || sum != want {
			t.Fatalf("version %d: %s, want %s, error %v", n, sum, want, err)
		}
		s = next
	}
}

// TestHasherRemembers carries one Hasher along versions whose lists are shared by
// many records, or by hardly any, and of which few or many change: what it remembers of
// the lists goes from one form to the other, and back.
func TestHasherRemembers(t *testing.T) {
	schemas, err := state.ParseSchemas("E { int n; }\nL List<E>;\nT @PrimaryKey(id) { int id; L l; }")
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	const records = 3000
	lists := make([][]int32, records)
	var s *state.State
	var h *state.Hasher
	var sum dataset.Digest
	for n, v := range []struct{ changed, lists int }{
		{records, 1 << 30}, {10, 1 << 30}, {10, 1 << 30}, {records / 2, 1 << 30}, {records, 20}, {1000, 20}, {5, 20},
		{records, 1 << 30}, {10, 1 << 30}, {records, 1 << 30}, {20, 20}, {0, 20}, {20, 1 << 30}, {20, 1 << 30},
	} {
		for _, id := range r.Perm(records)[:v.changed] {
			l := r.Int32N(int32(v.lists))
			lists[id] = []int32{l % 500, l / 500 % 500, l}
		}
		next := listsVersion(t, s, schemas, lists)
		if s == nil {
			h = state.NewHasher(next)
			sum, err = h.Checksum()
		} else {
			sum, err = h.Next(sum, next, state.ChangesBetween(s, next))
		}
		if want, ok := naiveChecksum(next); err != nil || !ok || sum != want {
			t.Fatalf("version %d: %s, want %s, error %v", n, sum, want, err)
		}
		s = next
	}
}

// listsVersion makes a version of records with a list of numbers each.
func listsVersion(t *testing.T, base *state.State, schemas []*state.Schema, lists [][]int32) *state.State {
	t.Helper()
	return versionOf(t, base, schemas, func(b *state.Builder, must func(state.Ordinal, error) state.Ordinal) {
		for id, list := range lists {
			var elements []state.Ordinal
			for _, n := range list {
				elements = append(elements, must(b.AddObject("E", []state.Value{state.IntValue(n)})))
			}
			l := must(b.AddList("L", elements))
			must(b.AddObject("T", []state.Value{state.IntValue(int32(id)), state.ReferenceValue(l)}))
		}
	})
}
