package announce_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/announce/announcetest"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// The test of the protocol runs real Logs in small worlds: every schedule with
// up to depth deviations from a good day, and seeded random ones with many. A
// deviation is a pause, a crash, a response that is lost, an entry that lands
// later; clocks jump by years all the time.
var (
	depth = flag.Int("depth", 1, "deviations of the schedules that are all tried")
	walks = flag.Int("walks", 150, "random schedules of each world")
	seed  = flag.Uint64("seed", 1, "seed of the first random schedule")
)

// breach is a rule, or several, that nobody keeps.
type breach struct {
	log       announce.Rules
	writer    lapses
	overwrite bool // the store creates only
}

// scene is what happens in a world.
type scene func(*announcetest.World, *truth, func(*announcetest.Process) *writer)

// scenes are small, so that much of what can happen in them is tried.
var scenes = map[string]scene{
	// Three publishes and a reader.
	"publishes": func(w *announcetest.World, _ *truth, open func(*announcetest.Process) *writer) {
		for _, name := range []string{"x", "yy"} {
			w.Go(name, 1, func(p *announcetest.Process) { open(p).oneShot(fmt.Sprint(name, p.Life)) })
		}
		w.Go("reader", 1, func(p *announcetest.Process) { open(p).reader(3) })
	},
	// A producer that is started again when it crashes, and another that takes
	// over.
	"producers": func(w *announcetest.World, _ *truth, open func(*announcetest.Process) *writer) {
		source := 0
		w.Go("p", 2, func(p *announcetest.Process) { open(p).producer(&source, 3) })
		w.Go("qq", 1, func(p *announcetest.Process) { open(p).producer(&source, 2) })
	},
	// A producer and a publish that does not claim.
	"claim": func(w *announcetest.World, _ *truth, open func(*announcetest.Process) *writer) {
		source := 0
		w.Go("x", 1, func(p *announcetest.Process) { open(p).oneShot("x") })
		w.Go("p", 2, func(p *announcetest.Process) { open(p).producer(&source, 2) })
	},
	// Positions advance while another writer moves the head.
	"advance": func(w *announcetest.World, _ *truth, open func(*announcetest.Process) *writer) {
		w.Go("x", 1, func(p *announcetest.Process) {
			x := open(p)
			for upto := range 2 {
				if f, c, err := x.read(); err == nil {
					c.Op, c.Upto, c.Value = "feed", upto+1, events[upto]
					_ = x.publish(f, c) // it may fail
				}
			}
		})
		w.Go("yy", 1, func(p *announcetest.Process) { open(p).advance() })
	},
	// A pin and a prune of the same version.
	"pin and prune": func(w *announcetest.World, t *truth, open func(*announcetest.Process) *writer) {
		w.Go("x", 1, func(p *announcetest.Process) {
			open(p).oneShot("x")
			open(p).oneShot("y")
			w.Go("pruner", 1, func(p *announcetest.Process) { open(p).prune() })
			w.Go("pinner", 1, func(p *announcetest.Process) {
				if len(t.chain) > 1 {
					open(p).pin(t.chain[0])
				}
			})
		})
	},
	// The store is taken back to its first entry, without a word to those who
	// read or write.
	"restore": func(w *announcetest.World, t *truth, open func(*announcetest.Process) *writer) {
		w.NoFaults = true
		w.Go("x", 1, func(p *announcetest.Process) {
			x, reader := open(p), open(p)
			x.oneShot("x")
			x.oneShot("y")
			reader.look()
			_ = p.Wait("restore", func() { t.restored(1) }) // does not fail
			w.Go("yy", 1, func(p *announcetest.Process) {
				y := open(p)
				y.ticks = 1 // its clock is ahead: z is not the version that y was
				y.oneShot("z")
				y.oneShot("u")
			})
			reader.look()
			x.oneShot("v")
			reader.look()
		})
	},
}

// look is what a reader does between two looks at its own head.
func (w *writer) look() {
	if f, err := w.log.Refresh(w.Context()); err == nil {
		w.truth.observe(f)
	}
}

// play runs a scene with the choices of c.
func play(t *testing.T, s scene, b breach, c *announcetest.Chooser) (err error) {
	synctest.Test(t, func(*testing.T) {
		w := announcetest.NewWorld(c)
		if b.overwrite {
			w.Overwrite()
		}
		w.Gate = func(verb, key string) bool {
			return verb != "put" && verb != "get" || strings.Contains(key, "/log/") || verb == "put" && strings.Contains(key, "/versions/")
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
			runs, err := search(t, s, breach{}, *depth, *walks)
			t.Logf("%d schedules", runs)
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// Ways in which readers and writers misjudge an entry.
var (
	anyPrevious = func(f announce.Fold, e announce.Entry) (announce.Fold, bool) {
		if a, ok := e.Body.(announce.Announcement); ok {
			a.Previous = f.Head
			e.Body = a
		}
		return f.Apply(e)
	}
	anyEpoch = func(f announce.Fold, e announce.Entry) (announce.Fold, bool) {
		if _, ok := e.Body.(announce.Claim); !ok {
			e.Epoch = f.Epoch
		}
		return f.Apply(e)
	}
	anyVersion = func(f announce.Fold, e announce.Entry) (announce.Fold, bool) {
		before := f
		if a, ok := e.Body.(announce.Announcement); ok && a.Previous == f.Head {
			f.Head, a.Previous = dataset.None, dataset.None
			e.Body = a
		}
		next, counts := f.Apply(e)
		if !counts {
			next.Head = before.Head
		}
		return next, counts
	}
	anyHorizon = func(f announce.Fold, e announce.Entry) (announce.Fold, bool) {
		pin := f.Pin
		if _, ok := e.Body.(announce.Prune); ok {
			f.Pin = nil
		}
		next, counts := f.Apply(e)
		if f.Pin != pin {
			next.Pin = pin
		}
		return next, counts
	}
	anyPin = func(f announce.Fold, e announce.Entry) (announce.Fold, bool) {
		horizon := f.Horizon
		if _, ok := e.Body.(announce.Pin); ok {
			f.Horizon = dataset.None
		}
		next, counts := f.Apply(e)
		if f.Horizon != horizon {
			next.Horizon = horizon
		}
		return next, counts
	}
)

// TestProtocolNeedsEachRule breaks rules in turn: each one that stands alone is
// missed, and each pair of which one is the other's defence in depth.
func TestProtocolNeedsEachRule(t *testing.T) {
	for _, tc := range []struct {
		rule, scene string
		breach      breach
		seed        uint64 // of a schedule that is known to go wrong; any will be found
	}{
		{"a store creates only", "publishes", breach{overwrite: true}, 0},
		{"an attempt of unknown outcome is repeated as it was", "publishes", breach{log: announce.Rules{SameBytes: true}}, 228},
		{"before an append a writer looks at its own last entry", "restore", breach{log: announce.Rules{OwnHead: true}}, 0},
		{"what is in doubt is decided before anything else", "producers", breach{log: announce.Rules{Doubt: true}}, 3},
		{"a cycle starts from what the last one came to", "producers", breach{writer: lapses{noSettle: true}}, 0},
		{"a producer claims before anything else", "producers", breach{writer: lapses{noClaim: true}}, 297},
		{"a producer restores from the fold at its claim", "producers", breach{writer: lapses{lateClaim: true, unconfirmed: true}}, 0},
		{"nothing is acknowledged that is not in the head", "producers", breach{writer: lapses{unconfirmed: true}}, 3860},
		{"a claim is its holder's", "claim", breach{log: announce.Rules{Admit: true}}, 0},
		{"positions advance on the head that they are of", "advance", breach{writer: lapses{anyHead: true}}, 83},
		{"what goes is in the log before it goes", "pin and prune", breach{writer: lapses{deleteFirst: true}}, 0},

		{"an intent is derived anew; an announcement counts on the head", "publishes", breach{writer: lapses{resend: true}, log: announce.Rules{Apply: anyPrevious}}, 0},
		{"a version is greater than the head; it counts upwards", "publishes", breach{writer: lapses{fromClock: true}, log: announce.Rules{Apply: anyVersion}}, 0},
		{"a deposed writer stops; an announcement counts in its epoch", "producers", breach{log: announce.Rules{Admit: true, Apply: anyEpoch}}, 0},
		{"a deposed writer stops; its entries bear its own epoch", "producers", breach{log: announce.Rules{Admit: true, OwnEpoch: true}}, 0},
		{"an entry follows the reader's own; its fold is the reader's own", "restore", breach{log: announce.Rules{Link: true, Fold: true}}, 0},
		{"a prune is planned anew; it does not count beyond a pin", "pin and prune", breach{writer: lapses{resendPrune: true}, log: announce.Rules{Apply: anyHorizon}}, 0},
		{"a pin is looked up anew; it does not count below the horizon", "pin and prune", breach{writer: lapses{resendPin: true}, log: announce.Rules{Apply: anyPin}}, 0},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			runs, err := 1, walk(t, scenes[tc.scene], tc.breach, tc.seed)
			if err == nil {
				runs, err = search(t, scenes[tc.scene], tc.breach, 1, 3000)
			}
			if err != nil {
				what, _, _ := strings.Cut(err.Error(), "\n")
				t.Logf("after %d schedules of %q: %s", runs, tc.scene, what)
				return
			}
			t.Errorf("nobody misses this rule in %q", tc.scene)
		})
	}
}

// TestProtocolDefenceInDepth breaks one rule of a pair: the other one covers it.
func TestProtocolDefenceInDepth(t *testing.T) {
	for _, tc := range []struct {
		rule, by, scene string
		breach          breach
	}{
		{"an intent is derived anew", "an announcement counts on the head", "publishes", breach{writer: lapses{resend: true}}},
		{"an announcement counts on the head", "an intent is derived anew", "publishes", breach{log: announce.Rules{Apply: anyPrevious}}},
		{"a version is greater than the head", "it counts upwards", "publishes", breach{writer: lapses{fromClock: true}}},
		{"a version counts upwards", "it is greater than the head", "publishes", breach{log: announce.Rules{Apply: anyVersion}}},
		{"a deposed writer stops", "an announcement counts in its epoch", "producers", breach{log: announce.Rules{Admit: true}}},
		{"an announcement counts in its epoch", "a deposed writer stops", "producers", breach{log: announce.Rules{Apply: anyEpoch}}},
		{"an entry follows the reader's own", "its fold is the reader's own", "restore", breach{log: announce.Rules{Link: true}}},
		{"an entry's fold is the reader's own", "it follows the reader's own", "restore", breach{log: announce.Rules{Fold: true}}},
		{"a prune is planned anew", "it does not count beyond a pin", "pin and prune", breach{writer: lapses{resendPrune: true}}},
		{"a prune does not count beyond a pin", "it is planned anew", "pin and prune", breach{log: announce.Rules{Apply: anyHorizon}}},
		{"a pin is looked up anew", "it does not count below the horizon", "pin and prune", breach{writer: lapses{resendPin: true}}},
		{"a pin does not count below the horizon", "it is looked up anew", "pin and prune", breach{log: announce.Rules{Apply: anyPin}}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			if _, err := search(t, scenes[tc.scene], tc.breach, *depth, *walks/3); err != nil {
				t.Errorf("%q does not cover it: %v", tc.by, err)
			}
		})
	}
}
