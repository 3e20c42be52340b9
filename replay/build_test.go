package replay_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/replay"
)

// TestBuildChanges has the files of commands change while they are replayed: no
// verdict may bear the name of another build.
func TestBuildChanges(t *testing.T) {
	w := newWorld(t, "prod", 5)
	e := w.evaluations()[0]
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := filepath.Join(t.TempDir(), "script")
	put := func(text string) {
		t.Helper()
		if err := os.WriteFile(script, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	honest := "exec '" + self + "' prod\n"
	for _, x := range []struct {
		name            string
		control, itself bool // the control changes; the candidate does it
		named, want     bool
	}{
		{"not at all", false, false, false, false},
		{"the candidate", false, false, false, true},
		{"the candidate itself", false, true, false, true},
		{"a candidate that is named", false, true, true, false},
		{"the control", true, false, false, true},
	} {
		t.Run(x.name, func(t *testing.T) {
			put(honest)
			cfg := w.config("prod", "prod")
			command := &logic.Command{Args: []string{"sh", script}, Timeout: time.Minute}
			if x.itself {
				put("echo '#' >>'" + script + "'\n" + honest)
			}
			cfg.CandidateCommand = command
			if x.control {
				cfg.CandidateCommand, cfg.ControlCommand = cfg.ControlCommand, command
			}
			if x.named {
				cfg.Build = "v1"
			}
			r, err := replay.OpenCommands(cfg)
			if err != nil {
				t.Fatal(err)
			}
			if x.want && !x.itself {
				put(honest + "#\n")
			}
			switch report, err := r.Replay(t.Context(), e); {
			case x.want:
				if !errors.Is(err, replay.ErrBuildChanged) {
					t.Errorf("report %+v, error %v", report, err)
				}
			case err != nil:
				t.Error(err)
			default:
				wantVerdict(t, report, compare.Same, "")
				if x.named != (report.Candidate == "v1" && len(report.Covers) == 1) || report.At.IsZero() {
					t.Errorf("report %+v", report)
				}
			}
		})
	}
}

// TestTerms names a run by whatever its verdict depends on.
func TestTerms(t *testing.T) {
	w := newWorld(t, "prod", 5)
	e := w.evaluations()[0]
	adds := declare(t, strings.NewReplacer("Reason reason = 7;", "Reason reason = 7; string comment = 8;"))
	seen := map[string]string{}
	for name, change := range map[string]func(*replay.CommandConfig){
		"nothing":   func(*replay.CommandConfig) {},
		"candidate": func(cfg *replay.CommandConfig) { cfg.CandidateCommand = command(t, "rewritten") },
		"control":   func(cfg *replay.CommandConfig) { cfg.ControlCommand = nil },
		"build":     func(cfg *replay.CommandConfig) { cfg.Build = "v1" },
		"program":   func(cfg *replay.CommandConfig) { cfg.Build, cfg.CandidateCommand = "v1", command(t, "rewritten") },
		"schema":    func(cfg *replay.CommandConfig) { cfg.Schema = adds },
		"runs":      func(cfg *replay.CommandConfig) { cfg.Runs = 3 },
		"timeout":   func(cfg *replay.CommandConfig) { cfg.CandidateCommand.Timeout++ },
		"rules":     func(cfg *replay.CommandConfig) { cfg.Rules.MinRecords = 2 },
		"breaking":  func(cfg *replay.CommandConfig) { cfg.Breaking = true },
	} {
		cfg := w.config("prod", "prod")
		change(&cfg)
		r, err := replay.OpenCommands(cfg)
		if err != nil {
			t.Fatal(err)
		}
		report := r.Report(e)
		id := fmt.Sprint(report.Candidate, report.Control, report.Rules, report.Terms)
		if other, ok := seen[id]; ok {
			t.Errorf("%s and %s are not told apart: %s", name, other, id)
		}
		seen[id] = name
	}
}
