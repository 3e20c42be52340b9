package cycle_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// TestCrashAtEachOperation lets every operation of a cycle on the store fail in
// turn: once, for good, and with its effect. Readers then see the version
// before, or the announced one; the next cycle starts from that.
func TestCrashAtEachOperation(t *testing.T) {
	wider := `message N { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; int32 v = 2; repeated string tags = 3; string more = 4; }`
	old := mapping(t, plain)
	for _, m := range []*protomap.Mapping{old, mapping(t, wider)} {
		for _, fault := range []blobtest.Fault{blobtest.Fail, blobtest.Lose} {
			if m != old && fault == blobtest.Lose {
				continue // the schema makes no difference to what is lost
			}
			for _, forGood := range []bool{false, true} {
				ended := false
				for k := 0; !ended; k++ {
					name := fmt.Sprintf("wider %v, fault %d, for good %v, operation %d", m != old, fault, forGood, k)
					synctest.Test(t, func(t *testing.T) { ended = crash(t, name, old, m, fault, forGood, k) })
					if k > 100 {
						t.Fatal("no cycle ever ends well")
					}
				}
			}
		}
	}
}

// crash runs a cycle whose k-th operation fails. It says whether there were
// fewer.
func crash(t *testing.T, name string, old, m *protomap.Mapping, fault blobtest.Fault, forGood bool, k int) (ended bool) {
	memory := blob.NewMemory()
	first := run(t, open(t.Context(), t, config(memory, old, 1)), lines(old, a1))
	reader := follower(memory)
	if err := reader.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	armed, hit, healed := false, false, false
	n := 0
	store := blobtest.NewFaulty(memory, func(blobtest.Op) blobtest.Fault {
		if !armed || healed {
			return blobtest.None
		}
		n++
		if n-1 == k || forGood && n > k {
			hit = true
			return fault
		}
		return blobtest.None
	})
	c := open(t.Context(), t, config(store, m, 1))
	armed = true
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	r, err := c.Run(ctx, dataset.Lineage{}, lines(m, a2))
	healed = true

	points := history(t, memory)
	if err == nil && (!r.Published || len(points) != 2 || points[1].Manifest.Version != r.Version) {
		t.Errorf("%s: %+v, %d versions", name, r, len(points))
	}
	if err != nil && !errors.Is(err, blobtest.ErrInjected) && !errors.Is(err, announce.ErrInDoubt) && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%s: error %v", name, err)
	}
	if err != nil && len(points) == 2 && !errors.Is(err, announce.ErrInDoubt) {
		t.Errorf("%s: announced, yet the error is %v", name, err)
	}
	want := points[len(points)-1].Manifest
	if err := reader.Refresh(t.Context()); err != nil || reader.Current().Version() != want.Version || reader.Current().Manifest.Checksum != want.Checksum {
		t.Errorf("%s: a reader is at %s, error %v", name, reader.Current().Version(), err)
	}
	if len(points) == 1 && want.Version != first.Version {
		t.Errorf("%s: the head is %s", name, want.Version)
	}
	base := want.Version
	if errors.Is(err, announce.ErrInDoubt) {
		base = dataset.None // the next cycle decides what becomes of this one
	}
	next(t, name, m, c, open(t.Context(), t, config(memory, m, 1)), reader, base)
	verify(t, memory)
	return !hit
}

// next runs a cycle on the same Cycle, as after a failure, which must start from
// base unless that is None, and then one of another process.
func next(t *testing.T, name string, m *protomap.Mapping, same, another *cycle.Cycle, reader *replica.Replica, base dataset.Version) {
	t.Helper()
	populate := lines(m, a2, b1)
	for i, c := range []*cycle.Cycle{same, another} {
		if i == 1 {
			populate = lines(m, a1)
			if err := c.Restore(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		r, err := c.Run(t.Context(), dataset.Lineage{}, populate)
		if errors.Is(err, announce.ErrConflict) {
			if err = c.Restore(t.Context()); err == nil {
				r, err = c.Run(t.Context(), dataset.Lineage{}, populate)
			}
		}
		if err != nil || !r.Published || i == 0 && base != dataset.None && r.Previous != base {
			t.Errorf("%s: the next cycle: %+v on %s, error %v", name, r, base, err)
			return
		}
		if err := reader.Refresh(t.Context()); err != nil || reader.Current().Version() != r.Version {
			t.Errorf("%s: the reader is at %s, error %v", name, reader.Current().Version(), err)
		}
	}
}

func follower(store blob.Store) *replica.Replica {
	cfg := replica.DefaultConfig()
	cfg.Dataset, cfg.Store = "n", store
	return replica.Open(cfg)
}

// TestCrashWhileRestoring forgets nothing.
func TestCrashWhileRestoring(t *testing.T) {
	m := mapping(t, plain)
	for k := 0; ; k++ {
		memory := blob.NewMemory()
		theirs := open(t.Context(), t, config(memory, m, 1))
		first := run(t, theirs, lines(m, a1))
		armed, hit, n := false, false, 0
		store := blobtest.NewFaulty(memory, func(blobtest.Op) blobtest.Fault {
			if armed {
				n++
			}
			if armed && n-1 == k {
				hit = true
				return blobtest.Fail
			}
			return blobtest.None
		})
		ours := open(t.Context(), t, config(store, m, 1))
		second := run(t, theirs, lines(m, a2))
		armed = true
		err := ours.Restore(t.Context())
		armed = false
		if !hit {
			if err != nil || k == 0 {
				t.Errorf("after %d operations: error %v", k, err)
			}
			return
		}
		if err == nil || ours.Base() == nil || ours.Base().Version() != first.Version {
			t.Errorf("operation %d failed: error %v, base %v", k, err, ours.Base())
		}
		if err := ours.Restore(t.Context()); err != nil {
			t.Fatal(err)
		}
		if r := run(t, ours, lines(m, b1)); r.Previous != second.Version {
			t.Errorf("operation %d failed: the next cycle is %+v", k, r)
		}
	}
}

// TestDoubtIsSettledFirst loses the answer to an announcement. Whatever comes
// next starts from what is announced, also what would change nothing on the
// version before.
func TestDoubtIsSettledFirst(t *testing.T) {
	m := mapping(t, plain)
	synctest.Test(t, func(t *testing.T) {
		memory := blob.NewMemory()
		first := run(t, open(t.Context(), t, config(memory, m, 1)), lines(m, a1))
		lose := false
		store := blobtest.NewFaulty(memory, func(op blobtest.Op) blobtest.Fault {
			if lose && op.Verb == blobtest.Put && op.Key == blob.LogKey("n", 1) {
				return blobtest.Lose
			}
			return blobtest.None
		})
		c := open(t.Context(), t, config(store, m, 1))
		lose = true
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := c.Run(ctx, dataset.Lineage{}, lines(m, a2)); !errors.Is(err, announce.ErrInDoubt) {
			t.Fatalf("error %v, want ErrInDoubt", err)
		}
		lose = false
		r, err := c.Run(t.Context(), dataset.Lineage{}, lines(m, a1))
		points := history(t, memory)
		if err != nil || !r.Published || len(points) != 3 || r.Previous == first.Version {
			t.Errorf("the content of the version before the doubtful one: %+v, %d versions, error %v", r, len(points), err)
		}
	})
}
