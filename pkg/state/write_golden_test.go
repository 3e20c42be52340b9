package state

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// otherBytes are the files that a writer of whole states does not reproduce
// byte for byte, and why. They are written and read back all the same.
var otherBytes = map[string]string{
	"13-schema-evolution 20250101000014003-20250101000014004": "crosses a model change",
	"13-schema-evolution 20250101000014006-20250101000014007": "crosses a model change",
	"30-fuzz-5 20250101000030003-20250101000030004":           "crosses a model change",
	"30-fuzz-5 20250101000030006-20250101000030007":           "crosses a model change",
	"21-object-mapper": "lists types in the mapper's order",
	"24-compat-bytes":  "was edited after it was written",
}

// TestWriteGolden decodes each step of the real library's histories and writes
// it again: the bodies must be the same bytes.
func TestWriteGolden(t *testing.T) {
	compared := 0
	for _, c := range golden.Cases(t) {
		for name, data := range c.Files {
			step, ok := strings.CutPrefix(name, "delta-")
			from, to, _ := strings.Cut(step, "-")
			if !ok || c.Files["snapshot-"+from] == nil {
				continue
			}
			prev := mustRead(t, c.File("snapshot-"+from))
			next, err := prev.Apply(data)
			if err != nil {
				t.Fatalf("%s: apply %s: %v", c.Name, name, err)
			}
			compared += rewriteStep(t, c, Transition{prev, next}, from, to)
		}
	}
	if compared < 200 {
		t.Errorf("only %d files were compared", compared)
	}
}

func rewriteStep(t *testing.T, c golden.Case, step Transition, from, to string) (compared int) {
	t.Helper()
	known := otherBytes[c.Name] != "" || otherBytes[c.Name+" "+from+"-"+to] != ""
	for name, write := range map[string]func(io.Writer) error{
		"delta-" + from + "-" + to:        step.WriteDelta,
		"reversedelta-" + to + "-" + from: step.WriteReverseDelta,
		"snapshot-" + to:                  step.WriteSnapshot,
	} {
		want := c.Files[name]
		var got bytes.Buffer
		if err := write(&got); err != nil {
			t.Errorf("%s: write %s: %v", c.Name, name, err)
			continue
		}
		checkReadsBack(t, c, name, step, got.Bytes())
		if want == nil || known {
			continue
		}
		compared++
		if !bytes.Equal(body(t, got.Bytes()), body(t, want)) {
			t.Errorf("%s: %s has other bytes than the real library's", c.Name, name)
		}
	}
	return compared
}

// checkReadsBack holds what was written against the states it came from.
func checkReadsBack(t *testing.T, c golden.Case, name string, step Transition, data []byte) {
	t.Helper()
	want, got := step.Next, (*State)(nil)
	var err error
	switch {
	case strings.HasPrefix(name, "delta"):
		got, err = step.Prev.Apply(data)
	case strings.HasPrefix(name, "reverse"):
		want = step.Prev
		got, err = step.Next.Apply(data)
	default:
		got, err = ReadSnapshot(data, ReadOptions{})
	}
	if err != nil {
		t.Errorf("%s: read %s back: %v", c.Name, name, err)
		return
	}
	if got.HollowChecksum() != want.HollowChecksum() {
		t.Errorf("%s: %s reads back with another checksum", c.Name, name)
	}
}

func mustRead(t *testing.T, data []byte) *State {
	t.Helper()
	s, err := ReadSnapshot(data, ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// body returns a blob without its header, whose tags are in any order.
func body(t *testing.T, data []byte) []byte {
	t.Helper()
	h, schemas, err := ReadHeader(data)
	if err != nil {
		t.Fatal(err)
	}
	head, err := appendHeader(nil, h, schemas)
	if err != nil {
		t.Fatal(err)
	}
	return data[len(head):]
}
