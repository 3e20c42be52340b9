package announce_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/announce/announcetest"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

const usage dataset.Name = "usage"

var who = announce.Author{Name: "test"}

// after returns an announcement of version v on f.
func after(f announce.Fold, v dataset.Version) announce.Announcement {
	return announce.Announcement{Version: v, Previous: f.Head, Manifest: dataset.DigestOf([]byte(v.String()))}
}

func history(t *testing.T, store blob.Store, n dataset.Name) []announce.Entry {
	t.Helper()
	return announcetest.History(t, store, n)
}

func race(t *testing.T, writers, each int, store blob.Store, open func() blob.Store) {
	t.Helper()
	announcetest.RunRace(t, announcetest.Race{Writers: writers, Each: each, Store: store, Open: open})
}

func TestRaceMemory(t *testing.T) {
	store := blob.NewMemory()
	race(t, 6, 20, store, func() blob.Store { return store })
}

func TestRaceDirInstances(t *testing.T) {
	store, err := blob.CreateDir(filepath.Join(t.TempDir(), "store"))
	if err != nil {
		t.Fatal(err)
	}
	race(t, 4, 6, store, func() blob.Store {
		d, err := blob.OpenDir(store.Root())
		if err != nil {
			t.Error(err)
		}
		return d
	})
}

// A third of all puts and some of the reads fail, half of the failed puts
// after they were done: still one chain, with every announcement once.
func TestRaceFaulty(t *testing.T) {
	for seed := range uint64(5) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				memory := blob.NewMemory()
				random := rand.New(rand.NewPCG(seed, 0))
				faulty := blobtest.NewFaulty(memory, func(op blobtest.Op) blobtest.Fault {
					if n := random.IntN(6); op.Verb == blobtest.Put && n < 2 {
						return []blobtest.Fault{blobtest.Fail, blobtest.Lose}[n]
					}
					if random.IntN(20) == 0 {
						return blobtest.Fail
					}
					return blobtest.None
				})
				race(t, 4, 15, memory, func() blob.Store { return faulty })
			})
		})
	}
}

// What certainly was not written is an error at once, not a doubt.
func TestNotWritten(t *testing.T) {
	log := announce.Open(refusing{blob.NewMemory()}, usage)
	if _, err := log.Announce(t.Context(), who, after(announce.Empty(), 1)); !errors.Is(err, blob.ErrNotWritten) || errors.Is(err, announce.ErrInDoubt) {
		t.Errorf("Announce = %v, want ErrNotWritten", err)
	}
}

type refusing struct{ *blob.Memory }

func (refusing) Put(context.Context, string, []byte) error {
	return fmt.Errorf("disk full: %w", blob.ErrNotWritten)
}

func TestClaims(t *testing.T) {
	ctx, store := t.Context(), blob.NewMemory()
	one, two, shot := announce.Open(store, usage), announce.Open(store, usage), announce.Open(store, usage)
	must := func(f announce.Fold, err error) announce.Fold {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	wantErr := func(err, want error) {
		t.Helper()
		if !errors.Is(err, want) {
			t.Errorf("error %v, want %v", err, want)
		}
	}
	must(shot.Announce(ctx, who, after(announce.Empty(), 1)))
	f := must(one.Claim(ctx, who, "p1", false))
	if f.Epoch != 1 || f.Holder != "p1" || !f.Claimed() {
		t.Errorf("fold after the claim %+v", f)
	}
	if again := must(one.Claim(ctx, who, "p1", false)); again.Position != f.Position {
		t.Errorf("a second claim of the same Log appended at %d", again.Position)
	}
	_, err := shot.Announce(ctx, who, after(f, 2))
	wantErr(err, announce.ErrClaimed)
	_, err = two.Claim(ctx, who, "p2", false)
	wantErr(err, announce.ErrClaimed)
	f = must(one.Announce(ctx, who, after(f, 2)))
	f = must(two.Claim(ctx, who, "p2", true))

	// one is deposed, and for good: also when the claim has ended.
	for range 2 {
		_, err = one.Announce(ctx, who, after(f, 3))
		wantErr(err, announce.ErrDeposed)
		_, err = one.Evaluated(ctx, who, dataset.Evaluation{Output: f.Head})
		wantErr(err, announce.ErrDeposed)
		_, err = one.Advance(ctx, who, f.Head, map[string]string{"a": "1"})
		wantErr(err, announce.ErrDeposed)
		_, err = one.Release(ctx, who)
		wantErr(err, announce.ErrDeposed)
		if _, err = one.Claim(ctx, who, "p1", false); err == nil {
			t.Error("a deposed Log claimed without takeover")
		}
		f = must(two.Release(ctx, who))
	}
	if f.Claimed() || f.Epoch != 3 {
		t.Errorf("fold after the release %+v", f)
	}
	f = must(shot.Announce(ctx, who, after(f, 3)))
	f = must(one.Claim(ctx, who, "p1", true))
	f = must(one.Announce(ctx, who, after(f, 4)))
	// The same holder starts anew, as after a crash.
	f = must(announce.Open(store, usage).Claim(ctx, who, "p1", false))
	_, err = one.Announce(ctx, who, after(f, 5))
	wantErr(err, announce.ErrDeposed)
	history(t, store, usage)
}

func TestIntents(t *testing.T) {
	ctx, store := t.Context(), blob.NewMemory()
	chain := publish(t, store, 3)
	log := announce.Open(store, usage)
	f, err := log.Pin(ctx, who, chain[0].Version)
	if err != nil {
		t.Fatal(err)
	}
	if v, d := f.Effective(); v != chain[0].Version || d != chain[1].PreviousManifest {
		t.Errorf("effective %s %s, want the first version", v, d)
	}
	if again, err := log.Pin(ctx, who, chain[0].Version); err != nil || again.Position != f.Position {
		t.Errorf("the same pin again: position %d, %v; want %d", again.Position, err, f.Position)
	}
	for _, v := range []dataset.Version{chain[0].Version - 1, chain[2].Version + 1, 0, -1} {
		if _, err := log.Pin(ctx, who, v); !errors.Is(err, announce.ErrNotAnnounced) {
			t.Errorf("Pin(%d) = %v, want ErrNotAnnounced", v, err)
		}
	}
	if _, err := log.Prune(ctx, who, announce.Prune{Horizon: chain[1].Version}); !errors.Is(err, announce.ErrVoid) {
		t.Errorf("prune of what is pinned = %v, want ErrVoid", err)
	}
	if f, err = log.Unpin(ctx, who); err != nil || f.Pin != nil {
		t.Errorf("Unpin: %+v, %v", f.Pin, err)
	}
	if f, err = log.Prune(ctx, who, announce.Prune{Horizon: chain[1].Version}); err != nil || f.Horizon != chain[1].Version {
		t.Errorf("Prune: horizon %s, %v", f.Horizon, err)
	}
	if _, err := log.Pin(ctx, who, chain[0].Version); !errors.Is(err, announce.ErrNotAnnounced) {
		t.Errorf("pin below the horizon = %v, want ErrNotAnnounced", err)
	}
	for v, want := range map[dataset.Version]string{
		chain[0].Version:     "it was announced",           // and its manifest is still there
		chain[0].Version - 1: "if it was announced at all", // nobody knows
		chain[2].Version + 1: "the newest is " + f.Head.String(),
		chain[2].Version:     "",
	} {
		_, err := announce.Open(store, usage).Pin(ctx, who, v)
		below := v < f.Horizon
		if errors.Is(err, announce.ErrBelowHorizon) != below || errors.Is(err, announce.ErrNotAnnounced) != (want != "") || want != "" && !strings.Contains(err.Error(), want) {
			t.Errorf("Pin(%s) = %v, want %q", v, err, want)
		}
		if span := "from " + f.Horizon.String() + " to " + f.Head.String(); below && !strings.Contains(err.Error(), span) {
			t.Errorf("Pin(%s) = %v, which does not say %q", v, err, span)
		}
	}
	if f, err = log.Unpin(ctx, who); err != nil {
		t.Fatal(err)
	}
	late := announce.Snapshot{Version: chain[1].Version, Manifest: chain[2].PreviousManifest, Blob: blob.RefOf(nil)}
	if f, err = log.Snapshot(ctx, who, late); err != nil || f.Snapshot == nil || *f.Snapshot != late {
		t.Errorf("Snapshot: %+v, %v", f.Snapshot, err)
	}
	if _, err := log.Evaluated(ctx, who, dataset.Evaluation{Output: chain[1].Version}); !errors.Is(err, announce.ErrConflict) {
		t.Errorf("Evaluated of an old head = %v, want ErrConflict", err)
	}
	if _, err := log.Evaluated(ctx, who, dataset.Evaluation{Output: chain[2].Version}); err != nil {
		t.Error(err)
	}
	if _, err := log.Advance(ctx, who, chain[1].Version, map[string]string{"k": "6"}); !errors.Is(err, announce.ErrConflict) {
		t.Errorf("Advance of an old head = %v, want ErrConflict", err)
	}
	if f, err = log.Advance(ctx, who, chain[2].Version, map[string]string{"k": "7"}); err != nil || f.Positions["k"] != "7" {
		t.Errorf("Advance: %v, %v", f.Positions, err)
	}
	history(t, store, usage)
}

// A cold reader looks a few times and reads one entry, whatever the length.
func TestColdReaderGallops(t *testing.T) {
	memory := blob.NewMemory()
	log := announce.Open(memory, usage)
	for i := range 150 {
		f, err := log.Announce(t.Context(), who, announce.Announcement{Version: dataset.Version(i + 1), Previous: dataset.Version(i), Manifest: dataset.DigestOf(nil)})
		if err != nil {
			t.Fatal(err)
		}
		counts := map[blobtest.Verb]int{}
		cold := announce.Open(blobtest.NewFaulty(memory, func(op blobtest.Op) blobtest.Fault {
			counts[op.Verb]++
			return blobtest.None
		}), usage)
		got, err := cold.Refresh(t.Context())
		if diff := cmp.Diff(f, got); err != nil || diff != "" {
			t.Fatalf("cold fold: %v (-want +got)\n%s", err, diff)
		}
		if counts[blobtest.Stat] > 16 || counts[blobtest.Get] != 2 { // the head, and nothing behind it
			t.Errorf("%d entries: %v", i+1, counts)
		}
	}
}

func TestDiverged(t *testing.T) {
	ctx, store := t.Context(), blob.NewMemory()
	writer, reader := announce.Open(store, usage), announce.Open(store, usage)
	fold := announce.Empty()
	for v := range dataset.Version(3) {
		var err error
		if fold, err = writer.Announce(ctx, who, after(fold, v+1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := reader.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	if err := reader.Check(ctx); err != nil {
		t.Fatal(err)
	}
	// The store is restored to one entry earlier.
	if err := store.Delete(ctx, blob.LogKey(usage, 2)); err != nil {
		t.Fatal(err)
	}
	if err := reader.Check(ctx); !errors.Is(err, announce.ErrDiverged) {
		t.Errorf("Check = %v, want ErrDiverged", err)
	}
	if _, err := writer.Announce(ctx, who, after(fold, 9)); !errors.Is(err, announce.ErrDiverged) {
		t.Errorf("Announce = %v, want ErrDiverged", err)
	}
	// Somebody else goes on from there, past our head.
	other := announce.Open(store, usage)
	fold, err := other.Refresh(ctx)
	if err != nil || fold.Head != 2 {
		t.Fatalf("head %s, %v; want 2", fold.Head, err)
	}
	for v := range dataset.Version(2) {
		if fold, err = other.Announce(ctx, who, after(fold, v+7)); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 { // it stays so
		if _, err := reader.Refresh(ctx); !errors.Is(err, announce.ErrDiverged) {
			t.Errorf("Refresh = %v, want ErrDiverged", err)
		}
	}
	reader.Reset()
	got, err := reader.Refresh(ctx)
	if diff := cmp.Diff(fold, got); err != nil || diff != "" {
		t.Errorf("after Reset: %v (-want +got)\n%s", err, diff)
	}
}

// An entry whose fold is not what came before is refused, not believed.
func TestForgedFold(t *testing.T) {
	ctx, store := t.Context(), blob.NewMemory()
	fold, err := announce.Open(store, usage).Announce(ctx, who, after(announce.Empty(), 1))
	if err != nil {
		t.Fatal(err)
	}
	reader := announce.Open(store, usage)
	if _, err := reader.Refresh(ctx); err != nil {
		t.Fatal(err)
	}
	first, err := store.Get(ctx, blob.LogKey(usage, 0))
	if err != nil {
		t.Fatal(err)
	}
	fold.Head = 99
	forged, err := announce.Entry{Kind: announce.KindPin, ID: "x", Link: dataset.DigestOf(first), Author: who, Body: announce.Pin{}, Fold: fold}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Put(ctx, blob.LogKey(usage, 1), forged); err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Refresh(ctx); !errors.Is(err, announce.ErrCorrupt) {
		t.Errorf("Refresh = %v, want ErrCorrupt", err)
	}
}

// A raw entry of an old epoch keeps its place and changes nothing.
func TestVoidKeepsItsPlace(t *testing.T) {
	ctx, store := t.Context(), blob.NewMemory()
	log := announce.Open(store, usage)
	fold, err := log.Claim(ctx, who, "p", false)
	if err != nil {
		t.Fatal(err)
	}
	head, err := store.Get(ctx, blob.LogKey(usage, 0))
	if err != nil {
		t.Fatal(err)
	}
	void, err := announce.Entry{Kind: announce.KindAnnounce, ID: "x", Link: dataset.DigestOf(head), Epoch: -1, Author: who, Body: after(fold, 5), Fold: fold}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Put(ctx, blob.LogKey(usage, 1), void); err != nil {
		t.Fatal(err)
	}
	got, err := log.Announce(ctx, who, after(fold, 6))
	if err != nil || got.Head != 6 || got.Position != 2 {
		t.Errorf("head %s at %d, %v; want 6 at 2", got.Head, got.Position, err)
	}
	if h := history(t, store, usage); len(h) != 3 {
		t.Errorf("%d entries, want 3", len(h))
	}
}

func TestEntryIsSmall(t *testing.T) {
	store := blob.NewMemory()
	publish(t, store, 3)
	data, err := store.Get(t.Context(), blob.LogKey(usage, 2))
	if err != nil || len(data) > 2048 || bytes.Count(data, []byte("\n")) != 1 {
		t.Errorf("%d bytes, %v: %s", len(data), err, data)
	}
}
