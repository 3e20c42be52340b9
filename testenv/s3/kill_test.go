package s3

import (
	"testing"

	"github.com/holdfast-data/holdfast/testenv/kill"
)

// TestKill kills and stops processes that publish into one bucket; make kill-s3
// does so for longer.
func TestKill(t *testing.T) {
	s := Start(t, binary)
	address, stop, err := s.Distant()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(stop)
	report, err := kill.Run(t.Context(), kill.Config{
		Binary: holdfast, Dir: t.TempDir(), Store: s.URL(prefix(t), address), Seed: 1, Runs: 10, Publishers: 3,
	})
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
