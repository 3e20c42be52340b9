package cycle_test

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// TestAdopt takes versions that the real library wrote into a log, goes on from
// them, and refuses to as long as somebody else announces in the folder.
func TestAdopt(t *testing.T) {
	adopted, unkeyed := 0, 0
	for _, g := range golden.Cases(t) {
		if g.Name == "17-optional-parts" {
			continue // parts are not loaded
		}
		dir, err := blob.CreateDir(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		folder := dir.Path("n")
		if err := os.CopyFS(folder, os.DirFS(g.Extract(t))); err != nil {
			t.Fatal(err)
		}
		last := g.Index.Versions[len(g.Index.Versions)-1].Version
		announceJava(t, folder, last)
		declared, ok := declaration(t, folder)
		if !ok {
			continue // no type has anything to be a key
		}
		if declared.Root != "" {
			unkeyed++
		}
		m := mapping(t, plain)
		if _, err := cycle.Open(t.Context(), config(dir, m, 1)); !errors.Is(err, announce.ErrForeign) {
			t.Errorf("%s: a producer beside another: %v, want ErrForeign", g.Name, err)
		}
		a := cycle.Adoption{Dataset: "n", Store: dir, Folder: folder, Declared: declared, Author: announce.Author{Name: "test"}, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}
		r, err := cycle.Adopt(t.Context(), a)
		if err != nil || r.Version != last {
			t.Errorf("%s: %+v, error %v, want version %s", g.Name, r, err, last)
			continue
		}
		adopted++
		if _, err := cycle.Adopt(t.Context(), a); !errors.Is(err, cycle.ErrNothingToAdopt) {
			t.Errorf("%s: again: %v, want ErrNothingToAdopt", g.Name, err)
		}
		x := follower(dir)
		if err := x.Refresh(t.Context()); err != nil || x.Current().Version() != last || x.Current().Manifest.Checksum != r.Checksum {
			t.Errorf("%s: a replica is at %v, error %v", g.Name, x.Current(), err)
		}
		verify(t, dir)
		next := run(t, open(t.Context(), t, config(dir, m, 1)), lines(m, a1))
		if next.Previous != last {
			t.Errorf("%s: our version follows %s", g.Name, next.Previous)
		}
		verify(t, dir)
		announceJava(t, folder, next.Version+1)
		if _, err := cycle.Open(t.Context(), config(dir, m, 1)); !errors.Is(err, announce.ErrForeign) {
			t.Errorf("%s: the other producer goes on: %v, want ErrForeign", g.Name, err)
		}
		v, err := replica.Verify(t.Context(), dir, "n", nil)
		if err != nil || len(v.Problems) == 0 {
			t.Errorf("%s: verify finds nothing, error %v", g.Name, err)
		}
	}
	if adopted < 10 || unkeyed < 3 {
		t.Errorf("only %d were adopted, %d of them without a key of their own", adopted, unkeyed)
	}
}

func announceJava(t *testing.T, folder string, v dataset.Version) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, "announced.version"), []byte(v.String()), 0o600); err != nil {
		t.Fatal(err)
	}
}

// declaration returns what the owner of a folder has to declare: nothing if it
// shows by itself what its records are, else the first type and field that do.
func declaration(t *testing.T, folder string) (replica.Declared, bool) {
	t.Helper()
	cfg := replica.DefaultConfig()
	cfg.Dataset, cfg.Folder = "n", folder
	if replica.Open(cfg).Refresh(t.Context()) == nil {
		return cfg.Declared, true
	}
	v, err := os.ReadFile(filepath.Join(folder, "announced.version"))
	if err != nil {
		t.Fatal(err)
	}
	blob, err := os.ReadFile(filepath.Join(folder, "snapshot-"+string(v)))
	if err != nil {
		return cfg.Declared, false
	}
	s, err := state.ReadSnapshot(blob, state.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, schema := range s.Schemas() {
		for _, f := range schema.Fields {
			cfg.Declared = replica.Declared{Root: name, Key: []string{f.Name}}
			if replica.Open(cfg).Refresh(t.Context()) == nil {
				return cfg.Declared, true
			}
		}
	}
	return replica.Declared{}, false
}
