package state

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// TestWriteGolden reads each step of the real library's histories, the states
// from snapshots, and writes it again: all bytes must be the same.
func TestWriteGolden(t *testing.T) {
	compared := 0
	for _, c := range golden.Cases(t) {
		if c.Index.Mutated {
			continue
		}
		for name := range c.Files {
			step, ok := strings.CutPrefix(name, "delta-")
			from, to, _ := strings.Cut(step, "-")
			if !ok || c.Files["snapshot-"+from] == nil || c.Files["snapshot-"+to] == nil {
				continue
			}
			states := Transition{Prev: mustRead(t, c.File("snapshot-"+from)), Next: mustRead(t, c.File("snapshot-"+to))}
			compared += rewriteStep(t, c, states, from, to)
		}
	}
	if compared < 300 {
		t.Errorf("only %d files were compared", compared)
	}
}

func rewriteStep(t *testing.T, c golden.Case, step Transition, from, to string) (compared int) {
	t.Helper()
	for name, write := range map[string]func(Transition, io.Writer) error{
		"delta-" + from + "-" + to:        Transition.WriteDelta,
		"reversedelta-" + to + "-" + from: Transition.WriteReverseDelta,
		"snapshot-" + to:                  Transition.WriteSnapshot,
		"header-" + to:                    Transition.WriteHeader,
	} {
		want := c.Files[name]
		if want == nil {
			continue
		}
		var err error
		if name[:2] == "he" {
			var h Header
			var schemas []*Schema
			h, schemas, err = ReadHeader(want)
			step.Layout = Layout{Tags: h.order}
			for _, s := range schemas {
				step.Layout.Types = append(step.Layout.Types, s.Name)
				if step.Next.schemas[s.Name] == nil {
					want = nil // it lists the types of optional parts, too
				}
			}
		} else {
			step.Layout, err = ReadLayout(want, !strings.HasPrefix(name, "snapshot"))
		}
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		if err := write(step, &got); err != nil {
			t.Errorf("%s: write %s: %v", c.Name, name, err)
			continue
		}
		if want == nil {
			continue
		}
		compared++
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s: %s has other bytes than the real library's", c.Name, name)
		}
	}
	return compared
}

func mustRead(t *testing.T, data []byte) *State {
	t.Helper()
	s, err := ReadSnapshot(data, ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}
