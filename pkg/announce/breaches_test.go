package announce_test

import (
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// Ways in which readers and writers misjudge an entry.
var (
	anyPrevious = func(f announce.Fold, e announce.Entry) (announce.Fold, bool) {
		if a, ok := e.Body.(announce.Announcement); ok {
			a.Previous = f.Head
			e.Body = a
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
	horizonBack = func(f announce.Fold, e announce.Entry) (announce.Fold, bool) {
		if _, ok := e.Body.(announce.Prune); ok {
			f.Horizon = dataset.None
		}
		return f.Apply(e)
	}
	anyKeys = func(f announce.Fold, e announce.Entry) (announce.Fold, bool) {
		if p, ok := e.Body.(announce.Prune); ok {
			p.Keys = nil
			e.Body = p
		}
		return f.Apply(e)
	}
	anyDigest = func(f announce.Fold, e announce.Entry) (announce.Fold, bool) {
		p, ok := e.Body.(announce.Pin)
		if !ok || p.Version != f.Head {
			return f.Apply(e)
		}
		e.Body = announce.Pin{Version: p.Version, Manifest: f.Manifest}
		next, counts := f.Apply(e)
		if counts {
			next.Pin = &p
		}
		return next, counts
	}
	anyOutput = func(f announce.Fold, e announce.Entry) (announce.Fold, bool) {
		if v, ok := e.Body.(announce.Evaluated); ok {
			v.Evaluation.Output = f.Head
			e.Body = v
		}
		return f.Apply(e)
	}
	anySnapshot = func(f announce.Fold, e announce.Entry) (announce.Fold, bool) {
		horizon := f.Horizon
		if _, ok := e.Body.(announce.Snapshot); ok {
			f.Horizon = dataset.None
		}
		next, counts := f.Apply(e)
		next.Horizon = max(next.Horizon, horizon)
		return next, counts
	}
	anyClaim = func(f announce.Fold, e announce.Entry) (announce.Fold, bool) {
		if c, ok := e.Body.(announce.Claim); ok && !c.Released {
			e.Epoch = e.Position()
		}
		return f.Apply(e)
	}
	anyRelease = func(f announce.Fold, e announce.Entry) (announce.Fold, bool) {
		if c, ok := e.Body.(announce.Claim); ok && c.Released {
			c.Holder, e.Epoch = f.Holder, f.Epoch
			e.Body = c
		}
		return f.Apply(e)
	}
)

// anyEpoch lets entries of one kind count whatever their epoch is.
func anyEpoch(kind announce.Kind) func(announce.Fold, announce.Entry) (announce.Fold, bool) {
	return func(f announce.Fold, e announce.Entry) (announce.Fold, bool) {
		if e.Kind == kind {
			e.Epoch = f.Epoch
		}
		return f.Apply(e)
	}
}

// TestProtocolNeedsEachRule breaks rules in turn: each one that stands alone is
// missed, and each pair of which one is the other's defence in depth.
//
// One rule is not here: what a directory remembers of a longer log (ErrShorter).
// The World's store is none; TestShorter shows it.
func TestProtocolNeedsEachRule(t *testing.T) {
	for _, tc := range []struct {
		rule, scene string
		breach      breach
		seed        uint64 // of a schedule that is known to go wrong; any will be found
	}{
		{"a store creates only", "publishes", breach{overwrite: true}, 0},
		{"an attempt of unknown outcome is repeated as it was", "publishes", breach{log: announce.Rules{SameBytes: true}}, 1027},
		{"before an append a writer looks at its own last entry", "restore 1 of 2", breach{log: announce.Rules{OwnHead: true}}, 0},
		{"what is in doubt is decided before anything else", "producers", breach{log: announce.Rules{Doubt: true}}, 137},
		{"what is in doubt is decided before an append", "operator", breach{log: announce.Rules{Doubt: true}}, 0},
		{"what is in doubt is decided before a claim", "release", breach{log: announce.Rules{Doubt: true}}, 0},
		{"an entry in doubt is not sent to another store", "restore 1 of 3", breach{log: announce.Rules{OwnHead: true}}, 0},
		{"who has no memory looks behind the end", "loss of 0", breach{log: announce.Rules{Gap: true}}, 0},
		{"the log of another is taken over only on purpose", "release", breach{writer: lapses{takeover: true}}, 0},
		{"a snapshot counts not below the horizon", "late snapshot", breach{log: announce.Rules{Apply: anySnapshot}}, 0},
		{"a prune is planned anew if a snapshot came", "late snapshot", breach{writer: lapses{resendPrune: true}}, 0},
		{"a cycle starts from what the last one came to", "producers", breach{writer: lapses{noSettle: true}}, 0},
		{"a producer claims before anything else", "producers", breach{writer: lapses{noClaim: true}}, 1557},
		{"a producer restores from the fold at its claim", "producers", breach{writer: lapses{lateClaim: true, unconfirmed: true}}, 0},
		{"nothing is acknowledged that is not in the head", "producers", breach{writer: lapses{unconfirmed: true}}, 1209},
		{"a claim is its holder's", "claim", breach{log: announce.Rules{Admit: true}}, 0},
		{"positions advance on the head that they are of", "advance", breach{writer: lapses{anyHead: true}}, 0},
		{"what goes is in the log before it goes", "pin and prune", breach{writer: lapses{deleteFirst: true}}, 0},

		{"an intent is derived anew; an announcement counts on the head", "publishes", breach{writer: lapses{resend: true}, log: announce.Rules{Apply: anyPrevious}}, 0},
		{"a version is greater than the head; it counts upwards", "publishes", breach{writer: lapses{fromClock: true}, log: announce.Rules{Apply: anyVersion}}, 0},
		{"a deposed writer stops; an announcement counts in its epoch", "producers", breach{log: announce.Rules{Admit: true, Apply: anyEpoch(announce.KindAnnounce)}}, 0},
		{"a deposed writer stops; a run counts in its epoch", "evaluated", breach{log: announce.Rules{Admit: true, Apply: anyEpoch(announce.KindEvaluated)}}, 0},
		{"a deposed writer stops; positions count in their epoch", "evaluated", breach{log: announce.Rules{Admit: true, Apply: anyEpoch(announce.KindAdvance)}}, 0},
		{"a deposed writer stops; a release is the holder's", "release", breach{log: announce.Rules{Admit: true, Apply: anyRelease}}, 31},
		{"a claim's epoch is its position; it counts there only", "release", breach{log: announce.Rules{ClaimEpoch: true, Apply: anyClaim}}, 0},
		{"an intent is derived anew; a void entry is not sent", "publishes", breach{writer: lapses{resend: true}, log: announce.Rules{Void: true}}, 0},
		{"a run is recorded on its output; it counts on the head", "advance", breach{writer: lapses{evaluateAny: true}, log: announce.Rules{Apply: anyOutput}}, 0},
		{"a prune is planned anew; its horizon is no lower", "prunes", breach{writer: lapses{resendPrune: true}, log: announce.Rules{Apply: horizonBack}}, 0},
		{"a prune names what nobody needs; nothing above its horizon", "prunes", breach{writer: lapses{greedyPrune: true}, log: announce.Rules{Apply: anyKeys}}, 0},
		{"a pin is looked up; its digest is the head's", "same version", breach{writer: lapses{ownDigest: true}, log: announce.Rules{Apply: anyDigest}}, 0},

		{"a deposed writer stops; its entries bear its own epoch", "producers", breach{log: announce.Rules{Admit: true, OwnEpoch: true}}, 0},
		{"an entry follows the reader's own; its fold is the reader's own", "restore 1 of 2", breach{log: announce.Rules{Link: true, Fold: true}}, 0},
		{"a prune is planned anew; it does not count beyond a pin", "pin and prune", breach{writer: lapses{resendPrune: true}, log: announce.Rules{Apply: anyHorizon}}, 0},
		{"a pin is looked up anew; it does not count below the horizon", "pin and prune", breach{writer: lapses{resendPin: true}, log: announce.Rules{Apply: anyPin}}, 0},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			t.Parallel()
			runs, err := 1, walk(t, sceneOf(t, tc.scene), tc.breach, tc.seed)
			if err == nil {
				runs, err = search(t, sceneOf(t, tc.scene), tc.breach, 1, 3000)
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
// There are many, so most get one deviation less than the rules as they are.
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
		{"an announcement counts in its epoch", "a deposed writer stops", "producers", breach{log: announce.Rules{Apply: anyEpoch(announce.KindAnnounce)}}},
		{"a deposed writer stops to record runs and positions", "they count in their epoch", "evaluated", breach{log: announce.Rules{Admit: true}}},
		{"a run counts in its epoch", "a deposed writer stops", "evaluated", breach{log: announce.Rules{Apply: anyEpoch(announce.KindEvaluated)}}},
		{"positions count in their epoch", "a deposed writer stops", "evaluated", breach{log: announce.Rules{Apply: anyEpoch(announce.KindAdvance)}}},
		{"a run is recorded on its output", "it counts on the head", "advance", breach{writer: lapses{evaluateAny: true}}},
		{"a run counts on the head", "it is recorded on its output", "advance", breach{log: announce.Rules{Apply: anyOutput}}},
		{"a deposed writer does not release", "a release is the holder's", "release", breach{log: announce.Rules{Admit: true}}},
		{"a release is the holder's", "a deposed writer stops", "release", breach{log: announce.Rules{Apply: anyRelease}}},
		{"a claim bears its position", "it counts there only", "release", breach{log: announce.Rules{ClaimEpoch: true}}},
		{"a claim counts at its position only", "it bears that", "release", breach{log: announce.Rules{Apply: anyClaim}}},
		{"a void entry is not sent", "an intent is derived anew", "publishes", breach{log: announce.Rules{Void: true}}},
		{"a prune is planned anew after a prune", "its horizon is no lower", "prunes", breach{writer: lapses{resendPrune: true}}},
		{"a prune's horizon is no lower", "it is planned anew", "prunes", breach{log: announce.Rules{Apply: horizonBack}}},
		{"a prune names what nobody needs", "nothing above its horizon", "prunes", breach{writer: lapses{greedyPrune: true}}},
		{"a prune names nothing above its horizon", "it names what nobody needs", "prunes", breach{log: announce.Rules{Apply: anyKeys}}},
		{"a pin's digest is looked up", "it is the head's", "same version", breach{writer: lapses{ownDigest: true}}},
		{"a pin's digest is the head's", "it is looked up", "same version", breach{log: announce.Rules{Apply: anyDigest}}},

		{"an entry follows the reader's own", "its fold is the reader's own", "restore 1 of 2", breach{log: announce.Rules{Link: true}}},
		{"an entry's fold is the reader's own", "it follows the reader's own", "restore 1 of 2", breach{log: announce.Rules{Fold: true}}},
		{"a prune is planned anew", "it does not count beyond a pin", "pin and prune", breach{writer: lapses{resendPrune: true}}},
		{"a prune does not count beyond a pin", "it is planned anew", "pin and prune", breach{log: announce.Rules{Apply: anyHorizon}}},
		{"a pin is looked up anew", "it does not count below the horizon", "pin and prune", breach{writer: lapses{resendPin: true}}},
		{"a pin does not count below the horizon", "it is looked up anew", "pin and prune", breach{log: announce.Rules{Apply: anyPin}}},
	} {
		t.Run(tc.rule, func(t *testing.T) {
			t.Parallel()
			deviations := *depth - 1
			if tc.scene == "prunes" {
				deviations = *depth // one pause at one place, which walks seldom find
			}
			if _, err := search(t, sceneOf(t, tc.scene), tc.breach, deviations, *walks); err != nil {
				t.Errorf("%q does not cover it: %v", tc.by, err)
			}
		})
	}
}
