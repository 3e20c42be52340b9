package faults

import (
	"errors"
	"flag"
	"testing"
	"testing/synctest"

	"go.uber.org/goleak"
)

var (
	seed         = flag.Uint64("seed", 1, "seed of the first scenario")
	steps        = flag.Int("steps", 700, "steps of each scenario")
	sidecarSteps = flag.Int("sidecar-steps", 100, "steps of the scenario with whole sidecars")
	count        = flag.Int("scenarios", 3, "scenarios")
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestFaults plays scenarios with faults beneath every operation on the store.
// One is played again with its seed:
//
//	go test ./testenv/faults -run TestFaults -seed N -scenarios 1 -steps 10000
func TestFaults(t *testing.T) {
	for i := range *count {
		play(t, *seed+uint64(i), *steps, func(t *testing.T, seed uint64) (*Scenario, error) { return New(t.Context(), seed) })
	}
}

// TestSidecars is the same with whole sidecars, which are asked through gRPC:
//
//	go test ./testenv/faults -run TestSidecars -seed N -sidecar-steps 1000
func TestSidecars(t *testing.T) {
	play(t, *seed, *sidecarSteps, func(t *testing.T, seed uint64) (*Scenario, error) {
		return NewSidecars(t.Context(), seed, t.TempDir())
	})
}

// play plays one scenario in virtual time.
func play(t *testing.T, seed uint64, steps int, scenario func(*testing.T, uint64) (*Scenario, error)) {
	t.Helper()
	var total Counts
	synctest.Test(t, func(t *testing.T) {
		s, err := scenario(t, seed)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(s.Play(t.Context(), steps), s.Close()); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
		total = s.Counts
	})
	t.Logf("seed %d: %+v", seed, total)
	if total.Faults == 0 || total.Published == 0 || total.Reads == 0 {
		t.Errorf("seed %d: nothing happened: %+v", seed, total)
	}
}
