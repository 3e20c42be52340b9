package state_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// TestGoldenVectors loads every state of the golden vectors along every path
// and compares its dump and checksum with what the real library gave.
func TestGoldenVectors(t *testing.T) {
	for _, c := range golden.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			for _, check := range c.Index.Checks {
				t.Run(check.ID, func(t *testing.T) { testGoldenCheck(t, c, check) })
			}
		})
	}
}

func testGoldenCheck(t *testing.T, c golden.Case, check golden.Check) {
	s := loadGolden(t, c, check)
	var got bytes.Buffer
	if err := s.Dump(&got, check.Version.String()); err != nil {
		t.Fatal(err)
	}
	want := string(golden.WithoutDecimals(c.Expected(check.Expected)))
	compareDumps(t, got.String(), want)
	if sum := fmt.Sprintf("%x", s.HollowChecksum()); check.Checksum != "" && sum != check.Checksum {
		t.Errorf("checksum %s, want %s", sum, check.Checksum)
	}
}

func loadGolden(t *testing.T, c golden.Case, check golden.Check) *state.State {
	t.Helper()
	var filter *state.Filter
	if check.Filter != "" {
		var err error
		if filter, err = state.ParseFilter(check.Filter); err != nil {
			t.Fatal(err)
		}
	}
	var s *state.State
	for i, name := range check.Load {
		var parts []state.Part
		for _, p := range check.Parts {
			parts = append(parts, state.Part{Name: p, Data: c.File(golden.PartFile(name, p))})
		}
		var err error
		if i == 0 {
			s, err = state.ReadSnapshot(c.File(name), state.ReadOptions{Parts: parts, Filter: filter})
		} else {
			s, err = s.Apply(c.File(name), parts...)
		}
		if err != nil {
			t.Fatalf("load %s: %v", name, err)
		}
	}
	return s
}

func compareDumps(t *testing.T, got, want string) {
	t.Helper()
	if got == want {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(g), len(w)) {
		a, b := "(none)", "(none)"
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			t.Fatalf("dump line %d:\n got %.300s\nwant %.300s", i+1, a, b)
		}
	}
}
