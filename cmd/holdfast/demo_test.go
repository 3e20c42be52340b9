package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/testenv/featuregate"
)

// smallEditions writes the embedded editions with few features and regions into
// a folder.
func smallEditions(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	kept := map[string]string{"features": `{"id":"a`, "browsers": `{`, "usage": `{"region":"K`}
	for _, e := range featuregate.Editions() {
		if err := os.Mkdir(filepath.Join(dir, e.Name), 0o700); err != nil {
			t.Fatal(err)
		}
		for _, n := range featuregate.InputDatasets() {
			in, _, err := e.Open(n)
			if err != nil {
				t.Fatal(err)
			}
			z, err := gzip.NewReader(in)
			if err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			lines := bufio.NewScanner(z)
			lines.Buffer(nil, 16<<20)
			for lines.Scan() {
				if strings.HasPrefix(lines.Text(), kept[string(n)]) {
					out.WriteString(lines.Text() + "\n")
				}
			}
			if err := lines.Err(); err != nil {
				t.Fatal(err)
			}
			in.Close()
			write(t, filepath.Join(dir, e.Name, string(n)+".jsonl"), out.String())
		}
	}
	return dir
}

// compared is what the demo says about one run of the candidate.
type compared struct {
	Output                             string
	Added, Removed, Changed, Unchanged *int
	Fields                             map[string]int
	Verdict                            string
}

func (c compared) check(t *testing.T) {
	t.Helper()
	switch {
	case c.Output == "" || c.Added == nil || c.Removed == nil || c.Changed == nil || c.Unchanged == nil || c.Fields == nil:
		t.Errorf("a member is missing: %+v", c)
	case *c.Added != 0 || *c.Removed != 0 || *c.Changed == 0 || *c.Unchanged == 0:
		t.Errorf("%d added, %d removed, %d changed, %d unchanged", *c.Added, *c.Removed, *c.Changed, *c.Unchanged)
	case (c.Verdict == "NO-GO") != (c.Fields["available"] > 0) || c.Verdict != "NO-GO" && c.Verdict != "GO":
		t.Errorf("verdict %s, available differs in %d", c.Verdict, c.Fields["available"])
	}
}

func TestDemo(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "demo")
	text, err := command(t, "demo", "--json", "--data", smallEditions(t), "--dir", dir)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Editions []string
		Datasets map[string]struct{ Versions, Records, Bytes int }
		Gossip   struct {
			Sidecars int
			P50      float64 `json:"p50_ms"`
		}
		SelfCheck struct {
			Version, Checksum string
			Reproduced        bool
		}
		Replay  compared
		Shadow  []compared
		Seconds float64
	}
	d := json.NewDecoder(strings.NewReader(text))
	if err := d.Decode(&got); err != nil || d.More() {
		t.Fatalf("standard output is not one JSON object: error %v, %.200s", err, text)
	}
	if want := []string{"1.0.30001788", "1.0.30001791", "1.0.30001797", "1.0.30001800"}; !slices.Equal(got.Editions, want) {
		t.Errorf("editions %q", got.Editions)
	}
	if names := slices.Sorted(maps.Keys(got.Datasets)); !slices.Equal(names, []string{"availability", "browsers", "features", "usage"}) {
		t.Errorf("datasets %q", names)
	}
	for name, x := range got.Datasets {
		if x.Versions < 1 || x.Records < 1 || x.Bytes < 1 {
			t.Errorf("dataset %s: %+v", name, x)
		}
	}
	if n := got.Datasets["usage"].Versions; n > 3 {
		t.Errorf("usage has %d versions, two editions have the same", n)
	}
	if got.Gossip.Sidecars != 2 || got.Gossip.P50 <= 0 || got.Seconds <= 0 {
		t.Errorf("gossip %+v, %v seconds", got.Gossip, got.Seconds)
	}
	if s := got.SelfCheck; !s.Reproduced || s.Version != got.Replay.Output || len(s.Checksum) != 64 {
		t.Errorf("self-check %+v, replay of %s", s, got.Replay.Output)
	}
	got.Replay.check(t)
	for _, s := range got.Shadow {
		s.check(t)
	}
	if len(got.Shadow) != len(got.Editions) { // unchanged outputs are evaluations, too
		t.Errorf("%d evaluations were shadowed", len(got.Shadow))
	}
	keepsStores(t, dir, got.Datasets["availability"].Versions)
	for name, args := range map[string][]string{
		"candidate": {"versions", "availability", "--store", filepath.Join(dir, "_candidate")},
		"shadow":    {"shadow", "ls", "--dir", filepath.Join(dir, "_shadow")},
	} { // as the story says
		if out, err := command(t, args...); err != nil || strings.Count(out, "\n") < 2 {
			t.Errorf("%s: %s, error %v", name, out, err)
		}
	}
	if _, err := command(t, "demo", "--dir", dir); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("a folder that is not empty: error %v", err)
	}
}

// keepsStores looks at the folder that a demo kept.
func keepsStores(t *testing.T, dir string, versions int) {
	t.Helper()
	for _, n := range []string{"features", "browsers", "usage", "availability"} {
		if out, err := command(t, "verify", filepath.Join(dir, n)); err != nil {
			t.Errorf("verify %s: %v: %s", n, err, out)
		}
		if _, err := os.Stat(filepath.Join(dir, n, "announced.version")); err != nil {
			t.Error(err)
		}
	}
	for pattern, want := range map[string]int{"snapshot-*": versions, "delta-*": versions - 1, "reversedelta-*": versions - 1} {
		if got, err := filepath.Glob(filepath.Join(dir, "availability", pattern)); err != nil || len(got) != want {
			t.Errorf("%s: %d files, want %d, error %v", pattern, len(got), want, err)
		}
	}
	if out, err := command(t, "get", "availability", "aac", "KR", "--store", dir, "-o", "json"); err != nil || !strings.Contains(out, `"available":`) {
		t.Errorf("get: %s, error %v", out, err)
	}
}
