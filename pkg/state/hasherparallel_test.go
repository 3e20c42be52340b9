package state_test

import (
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// TestHasherInParallel carries a Hasher along versions that change so many records
// that several goroutines hash them; they share lists and elements, of which some
// are unknown to all.
func TestHasherInParallel(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	schemas, err := state.ParseSchemas("E { int n; } L List<E>; S Set<E>; M Map<E,L>; T @PrimaryKey(id) { int id; L l; S s; M m; }")
	if err != nil {
		t.Fatal(err)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	var s *state.State
	var h *state.Hasher
	for n := range 4 {
		next := hashedVersion(t, s, schemas, r, 5000)
		if n == 0 {
			h = state.NewHasher(next)
		}
		sum, err := h.Checksum()
		if n > 0 && err == nil {
			sum, err = h.Next(sum, next, state.ChangesBetween(s, next))
		}
		if err != nil {
			t.Fatal(err)
		}
		if want, err := next.Checksum(); err != nil || sum != want {
			t.Fatalf("version %d: %s, want %s, error %v", n, sum, want, err)
		}
		s = next
	}
}

// hashedVersion makes a version of n records, of which most are new.
func hashedVersion(t *testing.T, base *state.State, schemas []*state.Schema, r *rand.Rand, n int) *state.State {
	t.Helper()
	return versionOf(t, base, schemas, func(b *state.Builder, must func(state.Ordinal, error) state.Ordinal) {
		for id := range n {
			var list []state.Ordinal
			for range r.IntN(5) {
				list = append(list, must(b.AddObject("E", []state.Value{state.IntValue(r.Int32N(2000))})))
			}
			l, set := must(b.AddList("L", list)), must(b.AddSet("S", list))
			var entries []state.Entry
			if len(list) > 0 {
				entries = append(entries, state.Entry{Key: list[0], Value: l})
			}
			m := must(b.AddMap("M", entries))
			must(b.AddObject("T", []state.Value{state.IntValue(int32(id)), state.ReferenceValue(l), state.ReferenceValue(set), state.ReferenceValue(m)}))
		}
	})
}

// versionOf makes a version of what fill adds; must fails the test if a record cannot be
// added.
func versionOf(t *testing.T, base *state.State, schemas []*state.Schema, fill func(b *state.Builder, must func(state.Ordinal, error) state.Ordinal)) *state.State {
	t.Helper()
	b, err := state.NewBuilder(base, schemas)
	if err != nil {
		t.Fatal(err)
	}
	fill(b, func(o state.Ordinal, err error) state.Ordinal {
		if err != nil {
			t.Fatal(err)
		}
		return o
	})
	s, err := b.Finish(state.Header{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
