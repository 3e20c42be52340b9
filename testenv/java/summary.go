package java

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// Summary is what the Hollow library sees at one version.
type Summary struct {
	Version  dataset.Version `json:"version"`
	Checksum string          `json:"checksum"` // Hollow's, in lower-case hex without leading zeros
	// Loaded names the blobs that led here from the version before, by Hollow's
	// file names, such as "delta-1-2".
	Loaded  []string       `json:"loaded"`
	Records map[string]int `json:"records"` // by type
}

// Consume lets one Java consumer refresh to each version in turn, from the
// files of a folder under Hollow's names, and returns what it sees at each.
// After its first snapshot it follows deltas and reverse deltas only.
func (p *Peer) Consume(t testing.TB, dir string, versions ...dataset.Version) []Summary {
	t.Helper()
	names := make([]string, len(versions))
	for i, v := range versions {
		names[i] = v.String()
	}
	summaries := parse(t, p.Run(t, "consume", dir, strings.Join(names, ",")))
	if len(summaries) != len(versions) {
		t.Fatalf("consume %s: got %d summaries, want %d", dir, len(summaries), len(versions))
	}
	for i, s := range summaries {
		if s.Version != versions[i] {
			t.Fatalf("consume %s: the Java consumer is at %v, want %v", dir, s.Version, versions[i])
		}
	}
	return summaries
}

// Continue lets a Java producer restore from the folder's announced version,
// publish and announce one more, and returns what a Java consumer sees at it.
// The new version has records removed, changed, added and kept; the producer's
// integrity check is on. NextVersion.java says which records.
func (p *Peer) Continue(t testing.TB, dir string) Summary {
	t.Helper()
	summaries := parse(t, p.Run(t, "continue", dir))
	if len(summaries) != 1 {
		t.Fatalf("continue %s: got %d summaries, want 1", dir, len(summaries))
	}
	return summaries[0]
}

func parse(t testing.TB, lines string) []Summary {
	t.Helper()
	var summaries []Summary
	for line := range strings.Lines(lines) {
		var s Summary
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("read answer of Java peer: %v: %s", err, line)
		}
		summaries = append(summaries, s)
	}
	return summaries
}
