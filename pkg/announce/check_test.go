package announce_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

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

// Half an entry, or one without its last byte, is not taken for another's, nor
// for the log's: it is read again.
func TestCutEntry(t *testing.T) {
	for _, drop := range []int{1, 100} {
		synctest.Test(t, func(t *testing.T) {
			memory := blob.NewMemory()
			cut := &cutting{Memory: memory, drop: drop}
			log := announce.Open(twice{cut}, usage)
			cut.left = 3
			f, err := log.Claim(t.Context(), who, "p", false)
			if err != nil || f.Position != 0 {
				t.Fatalf("Claim: position %d, %v; want 0", f.Position, err)
			}
			cut.left = 0
			if _, err := log.Announce(t.Context(), who, after(f, 1)); err != nil {
				t.Fatal(err)
			}
			reader := announce.Open(cut, usage)
			cut.left = 1
			if f, err := reader.Refresh(t.Context()); !errors.Is(err, blob.ErrMalformed) {
				t.Errorf("a reader is at %d, error %v, want ErrMalformed", f.Position, err)
			}
			if f, err := reader.Refresh(t.Context()); err != nil || f.Head != 1 {
				t.Errorf("a reader is at %s, error %v", f.Head, err)
			}
			cut.left = 1
			if err := reader.Check(t.Context()); !errors.Is(err, blob.ErrMalformed) || errors.Is(err, announce.ErrDiverged) {
				t.Errorf("Check of a cut entry = %v, want ErrMalformed", err)
			}
			if err := reader.Check(t.Context()); err != nil {
				t.Error(err)
			}
			if got := history(t, memory, usage); len(got) != 2 {
				t.Errorf("%d entries, want 2", len(got))
			}
		})
	}
}

// cutting drops the last bytes of what is read, some times.
type cutting struct {
	*blob.Memory
	drop, left int
}

func (c *cutting) Get(ctx context.Context, key string) ([]byte, error) {
	b, err := c.Memory.Get(ctx, key)
	if c.left > 0 && err == nil {
		c.left--
		b = b[:len(b)-c.drop]
	}
	return b, err
}

// twice puts everything two times.
type twice struct{ blob.Store }

func (s twice) Put(ctx context.Context, key string, data []byte) error {
	if err := s.Store.Put(ctx, key, data); err != nil {
		return err
	}
	return s.Store.Put(ctx, key, data)
}
