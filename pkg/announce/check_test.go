package announce_test

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"os"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// A store of which half was copied has entries behind the first that is
// absent, however far. Nobody takes the part before it for the whole, and no
// writer begins a second chain there.
func TestHalfACopy(t *testing.T) {
	for _, lost := range [][]int64{{0}, {1}, {4}, {9}, {2, 3, 4}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, {10}} {
		ctx, store := t.Context(), blob.NewMemory()
		publish(t, store, 12)
		for _, pos := range lost {
			if err := store.Delete(ctx, blob.LogKey(usage, pos)); err != nil {
				t.Fatal(err)
			}
		}
		log := announce.Open(store, usage)
		f, err := log.Refresh(ctx)
		if f.Position == 11 && err == nil {
			// The newest entry says all, but the history has a hole.
			if err := log.CheckChain(ctx); !errors.Is(err, announce.ErrCorrupt) {
				t.Errorf("positions %v are lost: CheckChain = %v, want ErrCorrupt", lost, err)
			}
			if n, err := count(log.Entries(ctx)); n != int(lost[0]) || !errors.Is(err, announce.ErrGap) {
				t.Errorf("positions %v are lost: %d entries, error %v; want %d and ErrGap", lost, n, err, lost[0])
			}
			continue
		}
		if !errors.Is(err, announce.ErrCorrupt) {
			t.Errorf("positions %v are lost: Refresh = %v, want ErrCorrupt", lost, err)
		}
		if _, err = log.Announce(ctx, who, after(f, 1000)); !errors.Is(err, announce.ErrCorrupt) {
			t.Errorf("positions %v are lost: Announce = %v, want ErrCorrupt", lost, err)
		}
		if _, there := store.Stat(ctx, blob.LogKey(usage, lost[0])); there == nil {
			t.Errorf("position %d was written again", lost[0])
		}
	}
}

func count(entries iter.Seq2[announce.Entry, error]) (n int, err error) {
	for _, err := range entries {
		if err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// Where an entry is lost that the way to the end of the log looks at, readers stop,
// because the store may be half a copy. Who knows better puts any file in its
// place: then it counts as changed, which readers pass and producers notice. If
// the newest entries are lost as well, that is still noticed.
func TestLostForGood(t *testing.T) {
	for _, pos := range []int64{0, 1, 3, 7, 9} {
		ctx, store := t.Context(), blob.NewMemory()
		publish(t, store, 12)
		lose := func(pos int64) {
			if err := store.Delete(ctx, blob.LogKey(usage, pos)); err != nil {
				t.Fatal(err)
			}
		}
		lose(pos)
		if _, err := announce.Open(store, usage).Refresh(ctx); pos != 9 && (!errors.Is(err, announce.ErrCorrupt) || !strings.Contains(err.Error(), "docs/operations.md")) {
			t.Errorf("position %d is lost: Refresh = %v, want ErrCorrupt and where to read on", pos, err)
		}
		if err := store.Put(ctx, blob.LogKey(usage, pos), []byte("lost for good\n")); err != nil {
			t.Fatal(err)
		}
		log := announce.Open(store, usage)
		f, err := log.Refresh(ctx)
		if err != nil || f.Position != 11 {
			t.Fatalf("position %d is given up: Refresh = %d, %v; want 11", pos, f.Position, err)
		}
		if err := log.CheckChain(ctx); !errors.Is(err, announce.ErrCorrupt) {
			t.Errorf("position %d is given up: CheckChain = %v, want ErrCorrupt", pos, err)
		}
		if _, err = log.Announce(ctx, who, after(f, 1000)); err != nil {
			t.Errorf("position %d is given up: Announce = %v", pos, err)
		}
		lose(11)
		if _, err := announce.Open(store, usage).Refresh(ctx); !errors.Is(err, announce.ErrCorrupt) {
			t.Errorf("position %d is given up and 11 of 12 lost: Refresh = %v, want ErrCorrupt", pos, err)
		}
	}
}

// A file of others in the folder of the log is no entry.
func TestForeignFileInLog(t *testing.T) {
	store := blob.NewMemory()
	publish(t, store, 2)
	if err := store.Put(t.Context(), "usage/log/README.txt", nil); err != nil {
		t.Fatal(err)
	}
	log := announce.Open(store, usage)
	f, err := log.Refresh(t.Context())
	if err == nil {
		_, err = log.Announce(t.Context(), who, after(f, 1000))
	}
	if err != nil {
		t.Error(err)
	}
}

// An entry that was changed is noticed by its successor.
func TestCheckChain(t *testing.T) {
	ctx, store := t.Context(), blob.NewMemory()
	publish(t, store, 6)
	log := announce.Open(store, usage)
	if _, err := log.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	if err := log.CheckChain(ctx); err != nil {
		t.Fatal(err)
	}
	key := blob.LogKey(usage, 2)
	data, err := store.Get(ctx, key)
	if err == nil {
		err = errors.Join(store.Delete(ctx, key), store.Put(ctx, key, bytes.Replace(data, []byte(who.Name), []byte("someone"), 1)))
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := log.CheckChain(ctx); !errors.Is(err, announce.ErrCorrupt) || !strings.Contains(err.Error(), "position 2") {
		t.Errorf("CheckChain = %v, want ErrCorrupt at position 2", err)
	}
}

// A folder whose names were made from later entries shows that the log has lost
// them. No writer goes on before somebody has decided.
func TestShorter(t *testing.T) {
	ctx, dir := t.Context(), newDir(t)
	publish(t, dir, 4)
	project(t, dir)
	if err := dir.Delete(ctx, blob.LogKey(usage, 3)); err != nil {
		t.Fatal(err)
	}
	log := announce.Open(dir, usage)
	f, err := log.Refresh(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := log.Announce(ctx, who, after(f, 1000)); !errors.Is(err, announce.ErrShorter) {
		t.Errorf("Announce = %v, want ErrShorter", err)
	}
	if _, err := announce.Open(dir, usage).Pin(ctx, who, f.Head); !errors.Is(err, announce.ErrShorter) {
		t.Errorf("Pin = %v, want ErrShorter", err)
	}
	// The loss is accepted as the error says.
	err = errors.Join(os.Remove(dir.Path("usage/.projected")), os.Remove(dir.Path("usage/announced.version")))
	if err == nil {
		_, err = log.Announce(ctx, who, after(f, 1000))
	}
	if err != nil {
		t.Error(err)
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
