package state_test

import (
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// diamondDepth is how long a chain of records is of which each names the next one twice:
// there are 2^60 ways to its end, so a hash that is not remembered is never there.
const diamondDepth = 60

// TestHasherOfDiamonds hashes a chain of records that are named twice each, when
// everything before says that hashes are asked for once: in a whole state, in the next
// version, once more, and alone.
func TestHasherOfDiamonds(t *testing.T) {
	schemas, err := state.ParseSchemas("N { int n; N a; N b; }\nT @PrimaryKey(id) { int id; N n; }")
	if err != nil {
		t.Fatal(err)
	}
	var versions []*state.State
	for _, diamonds := range []int{1, 0, 2} {
		var base *state.State
		if len(versions) > 1 {
			base = versions[len(versions)-1]
		}
		versions = append(versions, diamondsVersion(t, base, schemas, diamonds))
	}
	if _, err := versions[0].Checksum(); err != nil {
		t.Fatal(err)
	}
	h := state.NewHasher(versions[1])
	sum, err := h.Checksum()
	if err != nil {
		t.Fatal(err)
	}
	if sum, err = h.Next(sum, versions[2], state.ChangesBetween(versions[1], versions[2])); err != nil {
		t.Fatal(err)
	}
	for range 2 { // what it remembers after Next, and after Checksum
		last := versions[2].Type("T")
		for o := range last.Ordinals() {
			if _, err := h.Sum(last.Record(o)); err != nil {
				t.Fatal(err)
			}
		}
		again, err := h.Checksum()
		if err != nil || again != sum {
			t.Fatalf("checksum %s, want %s, error %v", again, sum, err)
		}
	}
}

// diamondsVersion makes a version of 2,000 records with a record of their own each, and
// of some that lead to a chain.
func diamondsVersion(t *testing.T, base *state.State, schemas []*state.Schema, diamonds int) *state.State {
	t.Helper()
	return versionOf(t, base, schemas, func(b *state.Builder, must func(state.Ordinal, error) state.Ordinal) {
		null := state.Null()
		for id := range int32(2000) {
			n := must(b.AddObject("N", []state.Value{state.IntValue(id), null, null}))
			must(b.AddObject("T", []state.Value{state.IntValue(id), state.ReferenceValue(n)}))
		}
		for k := range int32(diamonds) {
			n := must(b.AddObject("N", []state.Value{state.IntValue(-1 - k), null, null}))
			for range diamondDepth {
				n = must(b.AddObject("N", []state.Value{state.IntValue(0), state.ReferenceValue(n), state.ReferenceValue(n)}))
			}
			must(b.AddObject("T", []state.Value{state.IntValue(-1 - k), state.ReferenceValue(n)}))
		}
	})
}
