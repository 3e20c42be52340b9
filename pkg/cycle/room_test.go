package cycle_test

import (
	"errors"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// TestAdoptLeavesRoom refuses a version above which there would not be room for
// all that may follow, and takes the greatest one that is allowed.
func TestAdoptLeavesRoom(t *testing.T) {
	g := golden.Cases(t)[0]
	last := g.Index.Versions[len(g.Index.Versions)-1].Version
	snapshot, err := os.ReadFile(filepath.Join(g.Extract(t), "snapshot-"+last.String()))
	if err != nil {
		t.Fatal(err)
	}
	m := mapping(t, plain)
	for v, want := range map[dataset.Version]error{
		cycle.MaxAdopted: nil, cycle.MaxAdopted + 1: cycle.ErrNoRoom, math.MaxInt64: cycle.ErrNoRoom,
	} {
		dir, err := blob.CreateDir(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		folder := t.TempDir()
		if err := os.WriteFile(filepath.Join(folder, "snapshot-"+v.String()), snapshot, 0o600); err != nil {
			t.Fatal(err)
		}
		announceJava(t, folder, v)
		declared, ok := declaration(t, folder)
		if !ok {
			t.Fatal("no type has anything to be a key")
		}
		a := cycle.Adoption{Dataset: "n", Store: dir, Folder: folder, Declared: declared, Author: announce.Author{Name: "test"}, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}
		if _, err := cycle.Adopt(t.Context(), a); !errors.Is(err, want) || want != nil && !strings.Contains(err.Error(), cycle.MaxAdopted.String()) {
			t.Errorf("version %s: %v, want %v", v, err, want)
		}
		if want != nil {
			if infos, err := dir.List(t.Context(), ""); err != nil || len(infos) > 0 {
				t.Errorf("version %s left %v, error %v", v, infos, err)
			}
			continue
		}
		if r := run(t, open(t.Context(), t, config(dir, m, 1)), lines(m, a1)); r.Previous != v || r.Version != v+1 {
			t.Errorf("our version %s follows %s", r.Version, r.Previous)
		}
		verify(t, dir)
	}
}

// TestNoRoomAbove says what to do if a log's head is the greatest version that
// there can be, whether it can be read or not.
func TestNoRoomAbove(t *testing.T) {
	m, memory := mapping(t, plain), blob.NewMemory()
	run(t, open(t.Context(), t, config(memory, m, 1)), lines(m, a1))
	small := history(t, memory)[0].Manifest
	data, err := blob.Get(t.Context(), memory, blob.BlobKey("n", small.Version, small.Snapshot.Digest), *small.Snapshot)
	if err != nil {
		t.Fatal(err)
	}
	great := *small
	great.Version, great.Segment = math.MaxInt64, math.MaxInt64
	text, err := great.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, readable := range []bool{true, false} {
		store, d := blob.NewMemory(), dataset.DigestOf(text)
		for key, b := range map[string][]byte{
			blob.ManifestKey("n", great.Version, d): text, blob.SchemaKey("n", great.Schema): m.DescriptorSet(),
			blob.BlobKey("n", great.Version, great.Snapshot.Digest): data,
		} {
			if err := store.Put(t.Context(), key, b); err != nil {
				t.Fatal(err)
			}
		}
		if !readable {
			lose(t, store, "blobs/", false)
		}
		if _, err := announce.Open(store, "n").Announce(t.Context(), announce.Author{Name: "test"}, announce.AnnouncementOf(&great, d)); err != nil {
			t.Fatal(err)
		}
		c, err := cycle.Open(t.Context(), config(store, m, 1))
		if err == nil {
			_, err = c.Run(t.Context(), dataset.Lineage{}, lines(m, a2))
		}
		if !errors.Is(err, cycle.ErrNoRoom) || !strings.Contains(err.Error(), "another name") || strings.Contains(err.Error(), "--from-scratch") {
			t.Errorf("readable %v: %v, want ErrNoRoom", readable, err)
		}
	}
}
