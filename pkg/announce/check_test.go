package announce_test

import (
	"errors"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// A store of which half was copied has entries behind the first that is
// absent. A writer that knows nothing else does not begin a second chain there.
func TestHalfACopy(t *testing.T) {
	for _, lost := range []int64{0, 1, 4, 9} {
		ctx, store := t.Context(), blob.NewMemory()
		chain := publish(t, store, 12)
		if err := store.Delete(ctx, blob.LogKey(usage, lost)); err != nil {
			t.Fatal(err)
		}
		log := announce.Open(store, usage)
		f, err := log.Refresh(ctx)
		if err != nil {
			t.Fatal(err)
		}
		_, err = log.Announce(ctx, who, after(f, 1000))
		if f.Position == 11 && err == nil {
			continue // the gap was jumped over: the newest entry has all
		}
		if _, there := store.Stat(ctx, blob.LogKey(usage, lost)); !errors.Is(err, announce.ErrCorrupt) || there == nil {
			t.Errorf("position %d of %d is lost: Announce = %v, want ErrCorrupt", lost, len(chain), err)
		}
	}
}

// Who was deposed stays so until it takes over, also if nothing was appended
// since.
func TestDeposedIsNoticedByAClaim(t *testing.T) {
	ctx, store := t.Context(), blob.NewMemory()
	one, two := announce.Open(store, usage), announce.Open(store, usage)
	_, err := one.Claim(ctx, who, "p1", false)
	if err == nil {
		_, err = two.Claim(ctx, who, "p2", true)
	}
	if err == nil {
		_, err = two.Release(ctx, who)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := one.Claim(ctx, who, "p1", false); !errors.Is(err, announce.ErrDeposed) {
		t.Errorf("Claim = %v, want ErrDeposed", err)
	}
}

// The entries of a holder bear the epoch of its claim, so that readers can tell
// those of a deposed one, whatever its writer believes.
func TestEpochIsTheClaims(t *testing.T) {
	ctx, store := t.Context(), blob.NewMemory()
	one, two := announce.Open(store, usage), announce.Open(store, usage)
	announce.BreakAdmit(one)
	f, err := one.Claim(ctx, who, "p1", false)
	if err == nil {
		f, err = two.Claim(ctx, who, "p2", true)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := one.Announce(ctx, who, after(f, 3)); !errors.Is(err, announce.ErrVoid) {
		t.Errorf("Announce = %v, want ErrVoid", err)
	}
	if f, err = two.Refresh(ctx); err != nil || f.Head != dataset.None {
		t.Errorf("the head is %s, error %v", f.Head, err)
	}
}
