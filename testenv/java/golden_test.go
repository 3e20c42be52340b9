//go:build java

package java

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// TestDump loads every state of the golden vectors along every path in Java and
// in Go: both give the same dump and the same checksum.
func TestDump(t *testing.T) {
	peer := Start(t)
	for _, c := range golden.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			dir := c.Extract(t)
			for _, check := range c.Index.Checks {
				t.Run(check.ID, func(t *testing.T) { testDump(t, peer, dir, c, check) })
			}
		})
	}
}

func testDump(t *testing.T, peer *Peer, dir string, c golden.Case, check golden.Check) {
	files := make([]string, len(check.Load))
	for i, name := range check.Load {
		files[i] = filepath.Join(dir, name)
	}
	var options []string
	if check.Filter != "" {
		options = append(options, "--filter", check.Filter)
	}
	if len(check.Parts) > 0 {
		options = append(options, "--parts", strings.Join(check.Parts, ","))
	}
	load := strings.Join(files, ",")
	s := loadState(t, c, check.Load, check)
	var dump bytes.Buffer
	if err := s.Dump(&dump, check.Version.String()); err != nil {
		t.Fatal(err)
	}
	want := peer.Run(t, append([]string{"dump", load, check.Version.String()}, options...)...)
	if got := dump.String(); got != want {
		t.Errorf("the dumps differ: %s", firstDifference(got, want))
	}
	if check.Checksum == "" {
		return // Java sums the NaN that it puts for a null of an unknown field
	}
	want = strings.TrimSpace(peer.Run(t, append([]string{"checksum", load}, options...)...))
	if got := checksum(s); got != want {
		t.Errorf("checksum is %s in Go, %s in Java", got, want)
	}
}

// nullsAsNaN crosses a model change with deltas, where Java puts a NaN for the
// null of a FLOAT or DOUBLE field that the delta does not have, and sums it.
const nullsAsNaN = "30-fuzz-5"

// TestConsume lets a Java consumer walk each golden history from its first
// version to its last and back. Along the same files, we see the same states.
func TestConsume(t *testing.T) {
	peer := Start(t)
	back := 0
	for _, c := range golden.Cases(t) {
		t.Run(c.Name, func(t *testing.T) {
			var versions []dataset.Version
			for _, v := range c.Index.Versions {
				versions = append(versions, v.Version)
			}
			for _, v := range slices.Backward(versions[:len(versions)-1]) {
				versions = append(versions, v)
			}
			abandoned := dropAbandoned(c, versions)
			if abandoned && c.Name != "23-abandoned-version" {
				t.Error("the case has a delta to a version that its index does not name")
			}
			var loaded []string
			for _, at := range peer.Consume(t, c.Extract(t), versions...) {
				loaded = append(loaded, at.Loaded...)
				s := loadState(t, c, loaded, golden.Check{})
				if got := checksum(s); got != at.Checksum && c.Name != nullsAsNaN {
					t.Errorf("after %v the checksum is %s, in Java %s", loaded, got, at.Checksum)
				}
				if got := records(s); fmt.Sprint(got) != fmt.Sprint(at.Records) {
					t.Errorf("after %v the records are %v, in Java %v", loaded, got, at.Records)
				}
			}
			for _, name := range loaded {
				if strings.HasPrefix(name, "reversedelta-") {
					back++
				}
			}
		})
	}
	if back < 100 {
		t.Errorf("Java took %d reverse deltas, want more than 100", back)
	}
}

// dropAbandoned removes the deltas that lead to none of the versions: Java's
// retriever would take whichever of two deltas it finds first.
func dropAbandoned(c golden.Case, versions []dataset.Version) (dropped bool) {
	for name := range c.Files {
		step, ok := strings.CutPrefix(name, "delta-")
		_, to, _ := strings.Cut(step, "-")
		if ok && !slices.ContainsFunc(versions, func(v dataset.Version) bool { return v.String() == to }) {
			delete(c.Files, name)
			dropped = true
		}
	}
	return dropped
}

// withNaN holds values that Java's own restore does not survive: it reads NaN
// as null, and its integrity check then fails.
var withNaN = []string{"01-all-field-types"}

// TestContinue lets a Java producer continue each golden history. We follow it
// there and back again.
func TestContinue(t *testing.T) {
	peer := Start(t)
	for _, c := range golden.Cases(t) {
		if slices.Contains(withNaN, c.Name) {
			continue
		}
		t.Run(c.Name, func(t *testing.T) { testContinue(t, peer, c) })
	}
}

func testContinue(t *testing.T, peer *Peer, c golden.Case) {
	dir := c.Extract(t)
	at := peer.Continue(t, dir)
	if at.Version <= c.Index.Announced {
		t.Fatalf("version after %v is %v", c.Index.Announced, at.Version)
	}
	read := func(name string) []byte {
		return readFile(t, filepath.Join(dir, name))
	}
	to := at.Version.String()
	from := fmt.Sprint(c.Index.Announced)
	direct, err := state.ReadSnapshot(read("snapshot-"+to), state.ReadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := checksum(direct); got != at.Checksum {
		t.Errorf("checksum of the snapshot is %s, in Java %s", got, at.Checksum)
	}
	if got := records(direct); fmt.Sprint(got) != fmt.Sprint(at.Records) {
		t.Errorf("records of the snapshot are %v, in Java %v", got, at.Records)
	}
	base := announcedState(t, c)
	next, err := base.Apply(read("delta-" + from + "-" + to))
	if err != nil {
		t.Fatal(err)
	}
	if got := checksum(next); got != at.Checksum {
		t.Errorf("checksum after the delta is %s, in Java %s", got, at.Checksum)
	}
	if len(state.ChangesBetween(base, next)) == 0 {
		t.Error("the Java producer changed nothing")
	}
	back, err := next.Apply(read("reversedelta-" + to + "-" + from))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := checksum(back), checksum(base); got != want {
		t.Errorf("checksum after the reverse delta is %s, want %s", got, want)
	}
}

// announcedState loads the announced version, the shortest way.
func announcedState(t *testing.T, c golden.Case) *state.State {
	t.Helper()
	var load []string
	for _, check := range c.Index.Checks {
		whole := check.Filter == "" && check.Parts == nil
		if check.Version == c.Index.Announced && whole && (load == nil || len(check.Load) < len(load)) {
			load = check.Load
		}
	}
	return loadState(t, c, load, golden.Check{})
}
