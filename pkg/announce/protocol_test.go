package announce_test

import (
	"flag"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/announce/announcetest"
)

// The test of the protocol runs real Logs in small worlds: every schedule with
// up to depth deviations from a good day, and seeded random ones with many. A
// deviation is a pause, a failure, a crash, a response that is lost, an entry
// that lands later or while its writer is paused, an attempt that certainly
// wrote nothing; clocks jump by years all the time. `make protocol` tries all
// pairs of deviations.
var (
	depth = flag.Int("depth", 1, "deviations of the schedules that are all tried")
	walks = flag.Int("walks", 60, "random schedules of each world")
	seed  = flag.Uint64("seed", 1, "seed of the first random schedule")
)

// breach is a rule, or several, that nobody keeps.
type breach struct {
	log       announce.Rules
	writer    lapses
	overwrite bool // the store creates only
}

// play runs a scene with the choices of c.
func play(t *testing.T, s scene, b breach, c *announcetest.Chooser) (err error) {
	synctest.Test(t, func(*testing.T) {
		w := announcetest.NewWorld(c)
		if b.overwrite {
			w.Overwrite()
		}
		truth := newTruth(w, b.log.Apply)
		s(w, truth, func(p *announcetest.Process) *writer {
			log := announce.Open(p, usage)
			announce.Break(log, b.log)
			return &writer{Process: p, log: log, truth: truth, lapses: b.writer}
		})
		if err = w.Run(); err == nil {
			err = truth.end()
		}
		if err != nil {
			err = fmt.Errorf("%w\nchoices %v:\n%s", err, c.Taken(), w.Steps())
		}
	})
	return err
}

// search looks for a schedule that goes wrong.
func search(t *testing.T, s scene, b breach, depth, walks int) (runs int, err error) {
	runs, err = announcetest.Explore(depth, func(c *announcetest.Chooser) error { return play(t, s, b, c) })
	for i := 0; i < walks && err == nil; i++ {
		runs++
		err = walk(t, s, b, *seed+uint64(i))
	}
	return runs, err
}

// walk runs a random schedule.
func walk(t *testing.T, s scene, b breach, seed uint64) error {
	if err := play(t, s, b, announcetest.Random(seed, 2+int(seed%8))); err != nil {
		return fmt.Errorf("seed %d: %w", seed, err)
	}
	return nil
}

// TestProtocol finds nothing wrong with the rules as they are.
func TestProtocol(t *testing.T) {
	for name, s := range scenes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			runs, err := search(t, s, breach{}, *depth, *walks)
			t.Logf("%d schedules", runs)
			if err != nil {
				t.Error(err)
			}
		})
	}
}
