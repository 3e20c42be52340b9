package state_test

import (
	"bytes"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// numbers is a naive twin of an Editor of one type of one number each.
type numbers struct {
	e  *state.Editor
	at map[int64]state.Ordinal // of the version under way
}

// change holds some numbers and releases others.
func (n *numbers) change(t *testing.T, hold, release []int64) {
	t.Helper()
	for _, x := range hold {
		o, err := n.e.AddObject("Number", []state.Value{state.LongValue(x)})
		if err != nil {
			t.Fatal(err)
		}
		if err := n.e.Hold("Number", o); err != nil {
			t.Fatal(err)
		}
		n.at[x] = o
	}
	for _, x := range release {
		if err := n.e.Release("Number", n.at[x]); err != nil {
			t.Fatal(err)
		}
		delete(n.at, x)
	}
}

// build returns the next version, which it compares with the twin.
func (n *numbers) build(t *testing.T, tag int64) *state.State {
	t.Helper()
	s, err := n.e.Build(state.Header{Origin: -1, Tag: tag})
	if err != nil {
		t.Fatal(err)
	}
	x := s.Type("Number")
	if x.Len() != len(n.at) {
		t.Fatalf("version %d has %d records, want %d", tag, x.Len(), len(n.at))
	}
	for want, o := range n.at {
		if got, ok := x.Record(o).Long(0); !x.Populated(o) || !ok || got != want {
			t.Fatalf("version %d, ordinal %d: %d (populated: %v), want %d", tag, o, got, x.Populated(o), want)
		}
	}
	return s
}

// TestEditorFillsHoles makes many versions that remove records anywhere, or the last
// ones, so that holes lie behind all that is left, and add others; some are aborted and made
// again, with the same ordinals. No record takes another's place, deltas lead from
// version to version, and holes are filled.
func TestEditorFillsHoles(t *testing.T) {
	schemas, err := state.ParseSchemas("Number { long value; }")
	if err != nil {
		t.Fatal(err)
	}
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		e, err := state.NewEditor(nil, schemas)
		if err != nil {
			t.Fatal(err)
		}
		n := &numbers{e, map[int64]state.Ordinal{}}
		next := int64(0)
		fresh := func(count int) (list []int64) {
			for range count {
				list = append(list, next)
				next++
			}
			return list
		}
		n.change(t, fresh(3000), nil)
		e.Commit(n.build(t, 0))
		for tag := int64(1); tag < 60; tag++ {
			before := cloneMap(n.at)
			come, gone := fresh(r.IntN(40)*r.IntN(5)), n.some(r)
			n.change(t, come, gone)
			s := n.build(t, tag)
			if r.IntN(5) == 0 {
				e.Abort()
				after := n.at
				n.at = before
				n.change(t, come, gone)
				if s = n.build(t, tag); !maps.Equal(n.at, after) {
					t.Fatalf("seed %d: version %d has other ordinals after it was aborted", seed, tag)
				}
			}
			checkDelta(t, e.State(), s)
			e.Commit(s)
		}
		if x := e.State().Type("Number"); int(x.Max()) > 3*max(x.Len(), 3000) {
			t.Errorf("seed %d: ordinals up to %d for %d records", seed, x.Max(), x.Len())
		}
	}
}

// some returns numbers to remove: some of all, or those with the last ordinals.
func (n *numbers) some(r *rand.Rand) (list []int64) {
	for x := range n.at {
		list = append(list, x)
	}
	slices.SortFunc(list, func(x, y int64) int { return int(n.at[x] - n.at[y]) })
	if r.IntN(4) == 0 {
		return list[len(list)-r.IntN(len(list)/3):]
	}
	share := r.IntN(10)
	return slices.DeleteFunc(list, func(int64) bool { return r.IntN(100) >= share })
}

// checkDelta fails unless the delta between two versions leads from one to the other.
func checkDelta(t *testing.T, from, to *state.State) {
	t.Helper()
	var delta bytes.Buffer
	if err := (state.Transition{Prev: from, Next: to}).WriteDelta(&delta); err != nil {
		t.Fatal(err)
	}
	got, err := from.Apply(delta.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if err := state.Same(to, got); err != nil {
		t.Fatal(err)
	}
}
