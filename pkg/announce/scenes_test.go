package announce_test

import (
	"fmt"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce/announcetest"
)

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
	// Positions advance, and a run is recorded, while another writer moves the
	// head.
	"advance": func(w *announcetest.World, _ *truth, open func(*announcetest.Process) *writer) {
		w.Go("x", 1, func(p *announcetest.Process) {
			open(p).feed(1)
			w.Go("yy", 1, func(p *announcetest.Process) { open(p).advance() })
			w.Go("zzz", 1, func(p *announcetest.Process) { open(p).feed(2) })
		})
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
	// Each intent is followed by another one, also if it is in doubt.
	"operator": func(w *announcetest.World, t *truth, open func(*announcetest.Process) *writer) {
		w.Go("x", 1, func(p *announcetest.Process) {
			open(p).oneShot("x")
			open(p).oneShot("y")
			w.Go("op", 1, func(p *announcetest.Process) {
				if len(t.chain) > 1 {
					open(p).operator(t.chain[0])
				}
			})
			open(p).oneShot("z")
		})
	},
	// Tenants that give back what they claimed, and another that takes over.
	"release": func(w *announcetest.World, _ *truth, open func(*announcetest.Process) *writer) {
		w.Go("p", 2, func(p *announcetest.Process) { open(p).tenant(2, false) })
		w.Go("qq", 1, func(p *announcetest.Process) { open(p).tenant(1, true) })
		w.Go("rrr", 1, func(p *announcetest.Process) { open(p).tenant(1, false) })
	},
	// Logics that take over from each other and record what did not change.
	"evaluated": func(w *announcetest.World, _ *truth, open func(*announcetest.Process) *writer) {
		source := 0
		w.Go("p", 1, func(p *announcetest.Process) { open(p).logic(&source, 2) })
		w.Go("qq", 1, func(p *announcetest.Process) { open(p).logic(&source, 1) })
	},
	// A snapshot that is written later, while its version is pruned.
	"late snapshot": func(w *announcetest.World, t *truth, open func(*announcetest.Process) *writer) {
		w.Go("x", 1, func(p *announcetest.Process) {
			x := open(p)
			x.bare = true
			x.oneShot("x")
			x.oneShot("y")
			w.Go("pruner", 1, func(p *announcetest.Process) { open(p).prune() })
			w.Go("late", 1, func(p *announcetest.Process) {
				if len(t.chain) > 1 {
					v := t.chain[0]
					open(p).snapshot(v, t.digests[v])
				}
			})
		})
	},
	// Two prunes, and a publish between them.
	"prunes": func(w *announcetest.World, _ *truth, open func(*announcetest.Process) *writer) {
		w.Go("x", 1, func(p *announcetest.Process) {
			open(p).oneShot("x")
			open(p).oneShot("y")
			w.Go("pruner", 1, func(p *announcetest.Process) { open(p).prune() })
			w.Go("z", 1, func(p *announcetest.Process) {
				open(p).oneShot("z")
				open(p).prune()
			})
		})
	},
	// Two write the same version, and one of them announces it.
	"same version": func(w *announcetest.World, _ *truth, open func(*announcetest.Process) *writer) {
		w.Go("x", 1, func(p *announcetest.Process) { open(p).publishAndHold("x") })
		w.Go("y", 1, func(p *announcetest.Process) { open(p).publishAndHold("y") })
	},
	// The store is taken back to earlier entries, without a word to those who
	// read or write.
	"restore 0 of 1": restore(1, 0),
	"restore 0 of 2": restore(2, 0),
	"restore 1 of 2": restore(2, 1),
	"restore 0 of 3": restore(3, 0),
	"restore 1 of 3": restore(3, 1),
	"restore 2 of 3": restore(3, 2),
	// The same, at any moment.
	"restore any time": func(w *announcetest.World, t *truth, open func(*announcetest.Process) *writer) {
		w.Go("x", 1, func(p *announcetest.Process) {
			for _, name := range []string{"x", "y", "z"} {
				open(p).oneShot(name)
			}
		})
		w.Go("restorer", 1, func(p *announcetest.Process) { _ = p.Swap(func() { t.restored(1) }) }) // does not fail
		w.Go("yy", 1, func(p *announcetest.Process) {
			y := open(p)
			y.ticks = 1
			y.oneShot("u")
		})
	},
	// The store loses an entry, and not the newest.
	"loss of 0": loss(0),
	"loss of 1": loss(1),
}

// sceneOf returns the scene with that name.
func sceneOf(t *testing.T, name string) scene {
	t.Helper()
	s, ok := scenes[name]
	if !ok {
		t.Fatalf("there is no scene %q", name)
	}
	return s
}

// restore publishes, takes the store back to as many entries as are kept, and
// goes on beside another publish.
func restore(published int, kept int64) scene {
	return func(w *announcetest.World, t *truth, open func(*announcetest.Process) *writer) {
		w.Go("x", 1, func(p *announcetest.Process) {
			x, reader := open(p), open(p)
			for i := range published {
				x.oneShot(fmt.Sprint("x", i))
			}
			reader.look()
			_ = p.Swap(func() { t.restored(kept) }) // does not fail
			w.Go("yy", 1, func(p *announcetest.Process) {
				y := open(p)
				y.ticks = 1 // its clock is ahead: z is not the version that was there
				y.oneShot("z")
				y.oneShot("u")
			})
			reader.look()
			x.oneShot("v")
			reader.look()
		})
	}
}

// loss publishes, and goes on when the entry at pos is gone.
func loss(pos int64) scene {
	return func(w *announcetest.World, t *truth, open func(*announcetest.Process) *writer) {
		w.Go("x", 1, func(p *announcetest.Process) {
			for _, name := range []string{"x", "y", "z"} {
				open(p).oneShot(name)
			}
			_ = p.Swap(func() { t.loses(pos) }) // does not fail
			w.Go("yy", 1, func(p *announcetest.Process) { open(p).oneShot("u") })
			w.Go("reader", 1, func(p *announcetest.Process) { open(p).reader(2) })
		})
	}
}

// look is what a reader does between two looks at its own head.
func (w *writer) look() {
	if f, err := w.log.Refresh(w.Context()); err == nil {
		w.truth.observe(f)
	}
}
