package faults

import (
	"flag"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
)

var (
	seed  = flag.Uint64("seed", 1, "seed of the first scenario")
	steps = flag.Int("steps", 700, "steps of each scenario")
	count = flag.Int("scenarios", 3, "scenarios")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestFaults plays scenarios with faults beneath every operation on the store.
// One is played again with its seed:
//
//	go test ./testenv/faults -run TestFaults -seed N -scenarios 1 -steps 10000
func TestFaults(t *testing.T) {
	for i := range *count {
		var total Counts
		synctest.Test(t, func(t *testing.T) {
			s, err := New(t.Context(), *seed+uint64(i))
			if err != nil {
				t.Fatal(err)
			}
			if err := s.Play(t.Context(), *steps); err != nil {
				t.Errorf("seed %d: %v", *seed+uint64(i), err)
			}
			total = s.Counts
		})
		t.Logf("seed %d: %+v", *seed+uint64(i), total)
		if total.Faults == 0 || total.Published == 0 || total.Reads == 0 {
			t.Errorf("seed %d: nothing happened: %+v", *seed+uint64(i), total)
		}
	}
}
