//go:build java

package java

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

func TestTry(t *testing.T) {
	peer := Start(t)
	file := filepath.Join(t.TempDir(), "snapshot-1")
	if err := os.WriteFile(file, []byte("no blob"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, args := range map[string][]string{
		"a file that is none of Hollow's": {"checksum", file},
		"a file that is not there":        {"checksum", file + "0"},
		"an unknown command":              {"explode"},
		"an unknown option":               {"checksum", file, "--fast", "yes"},
		"a missing argument":              {"consume", "."},
		"an argument too many":            {"continue", ".", "."},
	} {
		if out, err := peer.Try(args...); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: got %q and error %v, want ErrRefused", name, out, err)
		}
	}
	if _, err := peer.Try("checksum", "a\tb"); err == nil || errors.Is(err, ErrRefused) {
		t.Errorf("a tab within an argument: got error %v, want one of ours", err)
	}
	c := golden.Load(t, "00-minimal") // and it still works
	check := c.Index.Checks[0]
	got := peer.Run(t, "checksum", filepath.Join(c.Extract(t), check.Load[0]))
	if got := strings.TrimSpace(got); got != check.Checksum {
		t.Errorf("checksum %s, want %s", got, check.Checksum)
	}
}

// loadState reads a case's files as the check says.
func loadState(t *testing.T, c golden.Case, load []string, check golden.Check) *state.State {
	t.Helper()
	var s *state.State
	for i, name := range load {
		var parts []state.Part
		for _, p := range check.Parts {
			parts = append(parts, state.Part{Name: p, Data: c.File(golden.PartFile(name, p))})
		}
		var err error
		if i > 0 {
			s, err = s.Apply(c.File(name), parts...)
		} else {
			s, err = state.ReadSnapshot(c.File(name), state.ReadOptions{Parts: parts, Filter: parseFilter(t, check.Filter)})
		}
		if err != nil {
			t.Fatalf("load %s: %v", name, err)
		}
	}
	return s
}

func parseFilter(t *testing.T, text string) *state.Filter {
	t.Helper()
	if text == "" {
		return nil
	}
	filter, err := state.ParseFilter(text)
	if err != nil {
		t.Fatal(err)
	}
	return filter
}

func checksum(s *state.State) string { return fmt.Sprintf("%x", s.HollowChecksum()) }

func records(s *state.State) map[string]int {
	counts := map[string]int{}
	for _, typ := range s.Types() {
		counts[typ.Schema().Name] = typ.Len()
	}
	return counts
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// firstDifference returns the first line that differs.
func firstDifference(inGo, inJava string) string {
	g, j := strings.Split(inGo, "\n"), strings.Split(inJava, "\n")
	n := 0
	for n < min(len(g), len(j)) && g[n] == j[n] {
		n++
	}
	g, j = append(g, "(none)"), append(j, "(none)")
	return fmt.Sprintf("line %d\nGo   %.400s\nJava %.400s", n+1, g[n], j[n])
}
