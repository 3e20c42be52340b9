package main

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// madeBefore is the clock of the evaluation that decided makes.
var madeBefore = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)

// decided announces a version of dataset offers that a logic made of an input.
func decided(t *testing.T, folder string, input dataset.Version) {
	t.Helper()
	store, err := blob.OpenDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	m := &blob.Manifest{
		Dataset: "offers", Version: 20260102150405000, Segment: 20260102150405000, Created: madeBefore.Add(time.Hour),
		Lineage: dataset.Lineage{Evaluation: &dataset.Evaluation{
			Logic: "offering", Build: "1", Clock: madeBefore, Inputs: []dataset.Input{{Dataset: "items", Version: input}},
		}},
	}
	b, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	digest := dataset.DigestOf(b)
	if err := store.Put(t.Context(), blob.ManifestKey(m.Dataset, m.Version, digest), b); err != nil {
		t.Fatal(err)
	}
	log := announce.Open(store, m.Dataset)
	if _, err := log.Announce(t.Context(), announce.Author{Name: "test"}, announce.AnnouncementOf(m, digest)); err != nil {
		t.Fatal(err)
	}
	again := *m.Lineage.Evaluation
	again.Output, again.Clock = m.Version, madeBefore.Add(2*time.Hour)
	if _, err := log.Evaluated(t.Context(), announce.Author{Name: "test"}, again); err != nil {
		t.Fatal(err)
	}
}

// TestPrunedVersions lists what is left around a gap, and says of the rest what
// became of it.
func TestPrunedVersions(t *testing.T) {
	store := filepath.Join(t.TempDir(), "store")
	schema := write(t, filepath.Join(t.TempDir(), "item.proto"), itemSchema)
	run := func(args ...string) string {
		t.Helper()
		text, err := command(t, append(args, "--store", store)...)
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return text
	}
	listed := func() (out []dataset.Version) {
		t.Helper()
		var list []versionInfo
		if err := json.Unmarshal([]byte(run("versions", "items", "-o", "json")), &list); err != nil {
			t.Fatal(err)
		}
		for _, v := range list {
			out = append(out, v.Version)
		}
		return out
	}
	for i := range 4 {
		file := write(t, filepath.Join(t.TempDir(), "items.jsonl"), fmt.Sprintf(`{"id":"a","v":%d}`, i))
		run("publish", "--schema", schema, "items", file)
	}
	all := listed()
	decided(t, store, all[0])
	if got := run("prune", "items", "--keep", "1", "--keep-for", "0s"); !strings.Contains(got, "2 versions kept (1 input, 1 newest)") {
		t.Errorf("prune: %s", got)
	}
	if got, want := listed(), []dataset.Version{all[0], all[3]}; !slices.Equal(got, want) {
		t.Errorf("listed are %v, want %v", got, want)
	}
	if got := run("prune", "items", "--keep", "1", "--keep-for", "0s", "--dry-run"); !strings.Contains(got, all[0].String()+"  input of offers@20260102150405000") {
		t.Errorf("a dry run: %s", got)
	}
	run("get", "items@"+all[0].String(), "a")
	for _, c := range []struct {
		command, version string
		want             string
	}{
		{"get a", all[1].String(), "version was pruned: it is below the horizon " + all[3].String()},
		{"export", all[2].String(), "version was pruned: it is below the horizon"},
		{"diff items", all[2].String(), "version was pruned: it is below the horizon"},
		{"pin --reason test", all[0].String(), "version is below the horizon " + all[3].String() + " (it was announced)"},
		{"pin --reason test", all[1].String(), "version is below the horizon " + all[3].String() + " (it was announced)"},
	} {
		words := strings.Fields(c.command)
		args := append([]string{words[0], "items@" + c.version, "--store", store}, words[1:]...)
		if text, err := command(t, args...); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %s, %v; want %q", args, text, err, c.want)
		}
	}
}

// TestLineageTimes shows when a version was created apart from what a logic was
// told for the time.
func TestLineageTimes(t *testing.T) {
	store := t.TempDir()
	decided(t, store, 1)
	text, err := command(t, "versions", "offers", "--lineage", "--store", store)
	if err != nil {
		t.Fatal(err)
	}
	var got [][]string
	for line := range strings.Lines(text) {
		got = append(got, strings.Fields(strings.ReplaceAll(line, "MADE BY", "MADE")))
	}
	want := [][]string{
		{"VERSION", "CREATED", "CLOCK", "MADE", "OF"},
		{"20260102150405000", "2020-01-02T04:04:05.000Z", "2020-01-02T03:04:05.000Z", "offering", "1", "items@1"},
		{"unchanged", "-", "2020-01-02T05:04:05.000Z", "offering", "1", "items@1"},
	}
	if !slices.EqualFunc(got, want, slices.Equal[[]string]) {
		t.Errorf("versions --lineage prints\n%swant %q", text, want)
	}
}
