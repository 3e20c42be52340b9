package announce_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// TestCorruptInWords says which member of an entry's fold is wrong, with both
// values, and nothing of how they lie in memory.
func TestCorruptInWords(t *testing.T) {
	store := blob.NewMemory()
	log := announce.Open(store, usage)
	f := announce.Empty()
	for v := range dataset.Version(2) {
		a := after(f, v+1)
		a.Snapshot, a.Positions = &blob.Ref{Digest: dataset.DigestOf(nil), Size: 7}, map[string]string{"orders": "17"}
		var err error
		if f, err = log.Announce(t.Context(), who, a); err != nil {
			t.Fatal(err)
		}
	}
	last, err := store.Get(t.Context(), blob.LogKey(usage, f.Position))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		lie  func(*announce.Fold)
		want string
	}{
		"head":      {func(f *announce.Fold) { f.Head = 9 }, `: head is "9", not "` + f.Head.String() + `"`},
		"horizon":   {func(f *announce.Fold) { f.Horizon = 1<<63 - 1 }, `: horizon is "9223372036854775807", not absent`},
		"pin":       {func(f *announce.Fold) { f.Pin = &announce.Pin{Version: 7} }, `: pin is {"version":"7"}, not absent`},
		"holder":    {func(f *announce.Fold) { f.Holder = "\x1b[2Jx" }, `: holder is "\u001b[2Jx", not absent`},
		"snapshot":  {func(f *announce.Fold) { f.Snapshot = nil }, `: snapshot is absent, not {"version":"`},
		"positions": {func(f *announce.Fold) { f.Positions = map[string]string{} }, `: positions is absent, not {"orders":"17"}`},
		"long":      {func(f *announce.Fold) { f.Positions = map[string]string{"a": strings.Repeat("x", 1<<20)} }, `xx…, not {"orders":"17"}`},
		"two":       {func(f *announce.Fold) { f.Position, f.Released = 5, true }, `: position is 5, not 1; released is true, not false`},
	} {
		lie := f
		lie.Positions = maps.Clone(f.Positions)
		c.lie(&lie)
		bad, err := announce.Entry{
			Kind: announce.KindPin, ID: "x", Link: dataset.DigestOf(last), Epoch: -1, Author: who, Body: announce.Pin{}, Fold: lie,
		}.Encode()
		if err != nil {
			t.Fatal(err)
		}
		key := blob.LogKey(usage, f.Position+1)
		if err := store.Put(t.Context(), key, bad); err != nil {
			t.Fatal(err)
		}
		_, err = log.Refresh(t.Context())
		if !errors.Is(err, announce.ErrCorrupt) || !strings.Contains(err.Error(), c.want) ||
			strings.Contains(err.Error(), "0x") || len(err.Error()) > 1000 {
			t.Errorf("%s: %v, want ErrCorrupt with %s", name, err, c.want)
		}
		if err := store.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	_, err = log.Announce(t.Context(), who, announce.Announcement{Version: f.Head + 1, Previous: f.Head, Snapshot: &blob.Ref{Size: 7}})
	if !errors.Is(err, announce.ErrVoid) || strings.Contains(err.Error(), "0x") || !strings.Contains(err.Error(), `"size":7`) {
		t.Errorf("a void announcement: %v", err)
	}
}
