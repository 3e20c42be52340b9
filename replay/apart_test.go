package replay_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/replay"
	"github.com/holdfast-data/holdfast/testenv/featuregate"
)

// TestApart keeps a candidate's outputs out of PROD's store, by whatever path
// they would get there.
func TestApart(t *testing.T) {
	w := newWorld(t, "prod", 1)
	base := t.TempDir()
	link := func(name, to string) string {
		path := filepath.Join(base, name)
		if err := os.Symlink(to, path); err != nil {
			t.Fatal(err)
		}
		return path
	}
	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "letter.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	before := names(t, w.dir)
	for _, c := range []struct {
		dir  string
		want error
	}{
		{w.dir, replay.ErrProdStore},
		{w.dir + "/../" + filepath.Base(w.dir), replay.ErrProdStore},
		{filepath.Join(w.dir, "new"), replay.ErrProdStore},
		{filepath.Join(w.dir, "usage", "new", "er"), replay.ErrProdStore},
		{filepath.Dir(w.dir), replay.ErrProdStore},
		{link("link", w.dir), replay.ErrProdStore},
		{filepath.Join(link("other", w.dir), "new"), replay.ErrProdStore},
		{link("around", filepath.Dir(w.dir)), replay.ErrProdStore},
		{foreign, replay.ErrForeignFolder},
		{t.TempDir(), nil},
		{filepath.Join(base, "new", "er"), nil},
	} {
		cfg := w.config("prod", "prod")
		cfg.Dir = c.dir
		if _, err := replay.OpenCommands(cfg); !errors.Is(err, c.want) {
			t.Errorf("folder %s: error %v, want %v", c.dir, err, c.want)
		}
	}
	if now := names(t, w.dir); len(now) != len(before) {
		t.Errorf("the store has %q, it had %q", now, before)
	}
	if _, err := os.Stat(filepath.Join(base, "new")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a folder is made before there is anything to keep: %v", err)
	}
}

// TestOutputsApart gives a Runner PROD's store for the outputs.
func TestOutputsApart(t *testing.T) {
	w := newWorld(t, "prod", 1)
	same, err := blob.OpenDir(w.dir + "/.")
	if err != nil {
		t.Fatal(err)
	}
	memory := blob.NewMemory()
	mapping, err := featuregate.Mapping(featuregate.Output)
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range [][2]blob.Store{{w.store, w.store}, {w.store, same}, {memory, memory}} {
		_, err := replay.Open(t.Context(), replay.Config{
			Store: pair[0], Outputs: pair[1], Output: featuregate.Output, Candidate: featuregate.Logic(mapping, featuregate.Prod), Now: time.Now,
		})
		if !errors.Is(err, replay.ErrProdStore) {
			t.Errorf("error %v, want %v", err, replay.ErrProdStore)
		}
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out
}
