package main

import (
	"os/exec"
	"testing"

	"github.com/holdfast-data/holdfast/testenv/kill"
)

// TestKill kills and stops processes that publish into one folder; make kill
// does so for longer.
func TestKill(t *testing.T) {
	binary, err := exec.LookPath("holdfast") // the test's own
	if err != nil {
		t.Fatal(err)
	}
	runs := 30
	if testing.Short() {
		runs = 8
	}
	report, err := kill.Run(t.Context(), kill.Config{Binary: binary, Dir: t.TempDir(), Seed: 1, Runs: runs, Publishers: 3})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(report)
	for _, p := range report.Problems {
		t.Error(p)
	}
	if report.Killed == 0 || report.Paused == 0 {
		t.Error("nobody was harmed")
	}
}
