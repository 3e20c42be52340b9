package replay_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/replay"
)

// TestOutputsOfTwo has two replays make outputs in one folder: who is late says so,
// and can go on.
func TestOutputsOfTwo(t *testing.T) {
	w := newWorld(t, "prod", 4, 5)
	cfg, all := w.config("prod", "prod"), w.evaluations()
	open := func() *replay.Commands {
		r, err := replay.OpenCommands(cfg)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	a, b := open(), open()
	for i, r := range []*replay.Commands{a, b} {
		if _, err := r.Replay(t.Context(), all[i]); err != nil {
			t.Fatal(err)
		}
	}
	_, err := a.Replay(t.Context(), all[0])
	var own *replay.OutputsError
	if !errors.As(err, &own) || !errors.Is(err, announce.ErrConflict) || filepath.Dir(own.Dir) != cfg.Dir || !strings.Contains(err.Error(), "another replay or shadow makes outputs in "+own.Dir) {
		t.Errorf("late: error %v", err)
	}
	report, err := a.Replay(t.Context(), all[0])
	if err != nil {
		t.Fatal(err)
	}
	wantVerdict(t, report, compare.Same, "")
}

// TestOutputsRemoved goes on after somebody removed the outputs of a replay at work.
func TestOutputsRemoved(t *testing.T) {
	w := newWorld(t, "prod", 4, 5)
	cfg, all := w.config("prod", "prod"), w.evaluations()
	r, err := replay.OpenCommands(cfg)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Replay(t.Context(), all[0]); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(cfg.Dir); err != nil {
		t.Fatal(err)
	}
	report, err := r.Replay(t.Context(), all[1])
	if err != nil {
		t.Logf("at first: %v", err)
		report, err = r.Replay(t.Context(), all[1])
	}
	if err != nil {
		t.Fatal(err)
	}
	wantVerdict(t, report, compare.Same, "")
}
