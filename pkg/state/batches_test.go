package state_test

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// TestAddParts adds parts of records, which fill at the same time: each batch is
// as it was filled when added is called, in the order of the parts.
func TestAddParts(t *testing.T) {
	schemas := mustSchemas(t, "Num { int i; }")
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		t.Fatal(err)
	}
	const parts = 40
	counted := &counting{Builder: b}
	next := 0
	become := map[int32]state.Ordinal{}
	err = state.AddParts(counted, count(parts), func(batch *state.Batch, part int) error {
		for i := range 100 {
			if _, err := batch.AddObject("Num", []state.Value{state.IntValue(int32(part*50 + i))}); err != nil {
				return err
			}
		}
		return nil
	}, func(batch *state.Batch, part int) error {
		if part != next {
			t.Errorf("part %d is added, not %d", part, next)
		}
		next++
		for i := range 100 {
			number := int32(part*50 + i)
			o := batch.Ordinal("Num", state.MaxOrdinal+1+state.Ordinal(i))
			if before, ok := become[number]; o == state.NoOrdinal || ok && o != before {
				t.Errorf("the number %d has become record %d, and %d before", number, o, before)
			}
			become[number] = o
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if next != parts || counted.n > runtime.GOMAXPROCS(0)+2 { // those that wait, and the one that was added last
		t.Errorf("%d parts were added, in %d batches", next, counted.n)
	}
	s, err := b.Finish(state.Header{Tag: 1})
	if err != nil {
		t.Fatal(err)
	}
	for number, o := range become {
		if got, _ := s.Type("Num").Record(o).Int(0); got != number {
			t.Errorf("record %d is %d, want %d", o, got, number)
		}
	}
}

// counting counts the batches of a Builder.
type counting struct {
	*state.Builder
	n int
}

func (c *counting) NewBatch() *state.Batch {
	c.n++
	return c.Builder.NewBatch()
}

// count yields the first n numbers.
func count(n int) func(func(int) bool) {
	return func(yield func(int) bool) {
		for i := range n {
			if !yield(i) {
				return
			}
		}
	}
}

// TestAddPartsFails lets a part fail: no part behind it is added, and nothing is
// being filled any more.
func TestAddPartsFails(t *testing.T) {
	errHere := errors.New("here")
	for _, where := range []string{"fill", "add", "added"} {
		for _, failing := range []int{0, 1, 7, 19} {
			t.Run(fmt.Sprint(where, failing), func(t *testing.T) {
				b, err := state.NewBuilder(nil, mustSchemas(t, "Num { int i; }"))
				if err != nil {
					t.Fatal(err)
				}
				other, err := state.NewBuilder(nil, mustSchemas(t, "Other { int i; }"))
				if err != nil {
					t.Fatal(err)
				}
				var filling atomic.Int32
				var added []int
				err = state.AddParts(swapped{b, other.NewBatch(), where == "add", failing, new(int)}, count(20), func(batch *state.Batch, part int) error {
					filling.Add(1)
					defer filling.Add(-1)
					runtime.Gosched()
					if where == "fill" && part >= failing { // the first in the order of the parts counts
						return fmt.Errorf("%w: %d", errHere, part)
					}
					_, err := batch.AddObject("Num", []state.Value{state.IntValue(int32(part))})
					return err
				}, func(_ *state.Batch, part int) error {
					if where == "added" && part == failing {
						return fmt.Errorf("%w: %d", errHere, part)
					}
					added = append(added, part)
					return nil
				})
				if n := filling.Load(); n != 0 {
					t.Errorf("%d parts are being filled", n)
				}
				if where == "add" && err == nil || where != "add" && (!errors.Is(err, errHere) || err.Error() != fmt.Sprint("here: ", failing)) {
					t.Errorf("error %v", err)
				}
				if want := slices.Collect(count(failing)); !slices.Equal(added, want) {
					t.Errorf("added are %v, want %v", added, want)
				}
			})
		}
	}
}

// swapped is a Builder that gets a batch of other schemas in the place of one.
type swapped struct {
	*state.Builder
	wrong   *state.Batch
	fails   bool
	failing int
	n       *int
}

func (s swapped) AddBatch(b *state.Batch) error {
	if *s.n++; s.fails && *s.n == s.failing+1 {
		b = s.wrong
	}
	return s.Builder.AddBatch(b)
}

// TestAddPartsEnds has fill end its goroutine, as a test's FailNow does: that is an
// error, not half a part.
func TestAddPartsEnds(t *testing.T) {
	b, err := state.NewBuilder(nil, mustSchemas(t, "Num { int i; }"))
	if err != nil {
		t.Fatal(err)
	}
	err = state.AddParts(b, count(3), func(batch *state.Batch, part int) error {
		if part == 1 {
			runtime.Goexit()
		}
		return nil
	}, func(_ *state.Batch, part int) error {
		if part > 0 {
			t.Errorf("part %d is added", part)
		}
		return nil
	})
	if err == nil {
		t.Error("no error")
	}
}
