package announce_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
)

// inDoubt returns a log whose first append, try, ends in doubt: written or not,
// as fault says. From then on its store works.
func inDoubt(t *testing.T, store blob.Store, fault blobtest.Fault, try func(context.Context, *announce.Log) error) *announce.Log {
	t.Helper()
	broken, sent := true, false
	log := announce.Open(blobtest.NewFaulty(store, func(op blobtest.Op) blobtest.Fault {
		if broken && op.Verb == blobtest.Put {
			sent = true
			return fault
		}
		if broken && sent {
			return blobtest.Fail // reading fails too, so it stays in doubt
		}
		return blobtest.None
	}), usage)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := try(ctx, log); !errors.Is(err, announce.ErrInDoubt) || !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("fault %v: %v, want ErrInDoubt at the deadline", fault, err)
	}
	broken = false
	return log
}

// An answer is lost and the writer gives up: its next append, whatever that is,
// decides first, and knows afterwards what is its own.
func TestInDoubt(t *testing.T) {
	first := after(announce.Empty(), 1)
	announceFirst := func(ctx context.Context, log *announce.Log) error {
		_, err := log.Announce(ctx, who, first)
		return err
	}
	claim := func(ctx context.Context, log *announce.Log) error {
		_, err := log.Claim(ctx, who, "p", false)
		return err
	}
	for _, tc := range []struct {
		name        string
		first, then func(context.Context, *announce.Log) error
		want        []announce.Kind
	}{
		{"the same again", announceFirst, announceFirst, []announce.Kind{announce.KindAnnounce}},
		{"something else", announceFirst, claim, []announce.Kind{announce.KindAnnounce, announce.KindClaim}},
		{"under a claim in doubt", claim, announceFirst, []announce.Kind{announce.KindClaim, announce.KindAnnounce}},
		{"nothing to append", announceFirst, func(ctx context.Context, log *announce.Log) error {
			_, err := log.Unpin(ctx, who)
			return err
		}, []announce.Kind{announce.KindAnnounce}},
	} {
		for _, fault := range []blobtest.Fault{blobtest.Lose, blobtest.Fail} {
			synctest.Test(t, func(t *testing.T) {
				memory := blob.NewMemory()
				log := inDoubt(t, memory, fault, tc.first)
				if err := tc.then(t.Context(), log); err != nil {
					t.Errorf("%s, fault %v: %v", tc.name, fault, err)
				}
				var got []announce.Kind
				for _, e := range history(t, memory, usage) {
					got = append(got, e.Kind)
				}
				if !slices.Equal(got, tc.want) {
					t.Errorf("%s, fault %v: the log has %v, want %v", tc.name, fault, got, tc.want)
				}
			})
		}
	}
}

// An attempt may have written the entry. That a later one certainly did not
// says nothing about the first: it stays in doubt until it is decided.
func TestInDoubtThenNotWritten(t *testing.T) {
	for _, first := range []blobtest.Fault{blobtest.Lose, blobtest.Fail} {
		synctest.Test(t, func(t *testing.T) {
			memory := blob.NewMemory()
			faults := []blobtest.Fault{first, blobtest.Full, blobtest.Full}
			log := announce.Open(blobtest.NewFaulty(memory, func(op blobtest.Op) blobtest.Fault {
				if op.Verb != blobtest.Put || len(faults) == 0 {
					return blobtest.None
				}
				fault := faults[0]
				faults = faults[1:]
				return fault
			}), usage)
			f, err := log.Announce(t.Context(), who, after(announce.Empty(), 1))
			if err != nil || f.Head != 1 {
				t.Errorf("fault %v, then not written: head %s, %v; want 1", first, f.Head, err)
			}
			if got := history(t, memory, usage); len(got) != 1 {
				t.Errorf("fault %v: %d entries, want one", first, len(got))
			}
		})
	}
}

// In doubt, and meanwhile the store was restored to a time before the entry
// that this one follows: it is not written behind a hole, by nobody.
func TestInDoubtRestored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := blob.NewMemory()
		chain := publish(t, memory, 2)
		log := inDoubt(t, memory, blobtest.Fail, func(ctx context.Context, log *announce.Log) error {
			f, err := log.Refresh(ctx)
			if err == nil {
				_, err = log.Announce(ctx, who, after(f, chain[1].Version+1))
			}
			return err
		})
		if err := memory.Delete(t.Context(), blob.LogKey(usage, 1)); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			if err := log.Settle(t.Context()); !errors.Is(err, announce.ErrDiverged) {
				t.Errorf("Settle = %v, want ErrDiverged", err)
			}
		}
		if got := history(t, memory, usage); len(got) != 1 {
			t.Errorf("%d entries, want one", len(got))
		}
	})
}

// In doubt, and meanwhile another entry has taken the position.
func TestInDoubtLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		memory := blob.NewMemory()
		broken := true
		log := announce.Open(blobtest.NewFaulty(memory, func(op blobtest.Op) blobtest.Fault {
			if broken && op.Verb == blobtest.Put {
				return blobtest.Fail
			}
			return blobtest.None
		}), usage)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := log.Announce(ctx, who, after(announce.Empty(), 1)); !errors.Is(err, announce.ErrInDoubt) {
			t.Fatal(err)
		}
		if _, err := announce.Open(memory, usage).Announce(t.Context(), who, after(announce.Empty(), 2)); err != nil {
			t.Fatal(err)
		}
		broken = false
		if _, err := log.Announce(t.Context(), who, after(announce.Empty(), 1)); !errors.Is(err, announce.ErrConflict) {
			t.Errorf("Announce = %v, want ErrConflict", err)
		}
		if got := history(t, memory, usage); len(got) != 1 {
			t.Errorf("%d entries, want one", len(got))
		}
	})
}
