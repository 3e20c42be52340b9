package state_test

import (
	"bytes"
	"fmt"
	"sync"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// TestReadersKeepTheirVersion has readers on every version of a chain dump it
// again and again while deltas and reverse deltas make further versions out of
// the same pages. With -race it also holds that nobody writes to what is
// shared.
func TestReadersKeepTheirVersion(t *testing.T) {
	for _, name := range []string{"12-delta-chain", "11-resharding", "06-nested"} {
		t.Run(name, func(t *testing.T) {
			c := golden.Load(t, name)
			longest := c.Index.Checks[0]
			for _, check := range c.Index.Checks {
				if len(check.Load) > len(longest.Load) {
					longest = check
				}
			}
			if len(longest.Load) < 2 {
				t.Fatalf("no path of %s applies a delta", name)
			}
			readWhileApplying(t, c, longest)
		})
	}
}

func readWhileApplying(t *testing.T, c golden.Case, check golden.Check) {
	stop := make(chan struct{})
	var readers sync.WaitGroup
	watch := func(s *state.State) {
		first := dumpOf(t, s)
		readers.Go(func() {
			for done := false; !done; {
				select {
				case <-stop:
					done = true // and read once more
				default:
				}
				if got := dumpOf(t, s); !bytes.Equal(got, first) {
					t.Errorf("the version with tag %d changed under its reader", s.Header().Tag)
					return
				}
			}
		})
	}
	defer readers.Wait()
	defer close(stop)
	parts := func(name string) (out []state.Part) {
		for _, p := range check.Parts {
			out = append(out, state.Part{Name: p, Data: c.File(golden.PartFile(name, p))})
		}
		return out
	}
	base, err := state.ReadSnapshot(c.File(check.Load[0]), state.ReadOptions{Parts: parts(check.Load[0])})
	if err != nil {
		t.Error(err)
		return
	}
	watch(base)
	for range 2 { // two chains side by side, from one state
		s := base
		for _, name := range check.Load[1:] {
			if s, err = s.Apply(c.File(name), parts(name)...); err != nil {
				t.Error(fmt.Errorf("%s: %w", name, err))
				return
			}
			watch(s)
		}
	}
}

func dumpOf(t *testing.T, s *state.State) []byte {
	var b bytes.Buffer
	if err := s.Dump(&b, "1"); err != nil {
		t.Errorf("dump: %v", err)
	}
	return b.Bytes()
}
