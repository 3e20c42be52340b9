package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/testenv/featuregate"
)

// growingStore is a store in which the demo's logic ran n times, and made a version
// with one more region each time, which needs no other one to be read.
func growingStore(t *testing.T, n int) string {
	t.Helper()
	store, edition := filepath.Join(t.TempDir(), "store"), filepath.Join(smallEditions(t), featuregate.Editions()[0].Name)
	schema := func(name string) string { return filepath.Join("..", "..", "testenv", "featuregate", name+".proto") }
	must := func(args ...string) {
		t.Helper()
		if text, err := command(t, args...); err != nil {
			t.Fatalf("%q: %s, error %v", args, text, err)
		}
	}
	for _, name := range []string{"features", "browsers"} {
		must("publish", "--store", store, "--schema", schema(name), name, filepath.Join(edition, name+".jsonl"))
	}
	text, err := os.ReadFile(filepath.Join(edition, "usage.jsonl"))
	lines := strings.SplitAfter(string(text), "\n")
	if err != nil || len(lines) <= n {
		t.Fatalf("%d lines, error %v", len(lines), err)
	}
	for i := range n {
		usage := write(t, filepath.Join(t.TempDir(), "usage.jsonl"), strings.Join(lines[:i+1], ""))
		must("publish", "--store", store, "--schema", schema("usage"), "usage", usage)
		must(decision(store, "--schema", schema("availability"), "--snapshot-every", "1", "--once", "--", "featuregate-prod")...)
	}
	return store
}

// pruneVersions deletes all versions of the output but some, and wants that many to be
// gone.
func pruneVersions(t *testing.T, dir string, keep, want int) {
	t.Helper()
	if text, err := command(t, "prune", "availability", "--store", dir, "--keep", strconv.Itoa(keep), "--keep-for", "0s"); err != nil {
		t.Fatalf("%s, error %v", text, err)
	}
	store, err := blob.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, pruned, err := logic.EvaluationsAndPruned(t.Context(), store, "availability"); err != nil || len(pruned) != want {
		t.Fatalf("pruned are %v, error %v, want %d", pruned, err, want)
	}
}

// TestShadowAfterPrune keeps the verdict that a run speaks against whose evaluation
// was pruned since, and says of what was pruned before it was judged how much it is.
func TestShadowAfterPrune(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	store, dir := growingStore(t, 4), filepath.Join(t.TempDir(), "shadow")
	t.Chdir(t.TempDir())
	run := func(hidden string, args ...string) (string, int) {
		t.Helper()
		write(t, "hidden", "exec "+hidden+"\n")
		args = slices.Concat([]string{"shadow", "--store", store, "--output", "availability", "--dir", dir, "--once",
			"--control", "featuregate-prod", "--gate", "full_percent: 0"}, args, []string{"--", "sh", "-c", ". ./hidden"})
		text, _, err := commandBoth(t, args...)
		return text, exitCode(err)
	}
	want := func(name string, text string, code, wantCode int, last string) {
		t.Helper()
		if lines := strings.Split(strings.TrimSpace(text), "\n"); code != wantCode || !strings.Contains(text, last) {
			t.Errorf("%s: exit code %d, want %d and %q; printed\n%s", name, code, wantCode, last, strings.Join(lines, "\n"))
		}
	}
	run("featuregate-candidate")
	text, code := run("featuregate-prod", "--last", "3", "--again")
	want("the last three are good", text, code, exitYes, "verdict on 3 evaluations: GO")
	text, code = run("featuregate-prod")
	want("before the prune", text, code, exitNo, ": NO-GO")
	pruneVersions(t, store, 2, 2)
	text, code = run("featuregate-prod")
	want("after the prune", text, code, exitNo, "; 2 of them are not in the store any more: NO-GO")
	if strings.Count(text, "of what is not in the store any more)") != 2 || strings.Count(text, "availability@") != 4 || strings.Contains(text, "were pruned") {
		t.Errorf("after the prune it printed\n%s", text)
	}
	text, code = run("featuregate-prod", "--last", "2")
	want("the last two", text, code, exitYes, "verdict on 2 evaluations, of which 2 are kept runs of ")
	if strings.Contains(text, "any more") || strings.Contains(text, "pruned") {
		t.Errorf("--last 2 printed\n%s", text)
	}
	text, code = run("featuregate-prod", "--last", "3")
	want("more than are there", text, code, exitYes, ", all that are there of the 3 asked for, of which 2 are kept runs of ")
	want("more than are there", text, code, exitYes, "; 1 version was pruned of which no run by these terms is kept: GO")
	text, code = run("featuregate-prod", "--build", "v2")
	want("another candidate", text, code, exitYes, "verdict on 2 evaluations; 2 versions were pruned of which no run by these terms is kept: GO")
	for args, want := range map[string]shadowSum{
		"--build v2":                  {Verdict: compare.Go, Evaluations: 2, Kept: 2, Pruned: 2},
		"--examples 4":                {Verdict: compare.NoGo, Evaluations: 4, Kept: 4, Gone: 2},
		"--examples 4 --last 1":       {Verdict: compare.Go, Evaluations: 1, Kept: 1},
		"--build v2 --last 7 --again": {Verdict: compare.Go, Evaluations: 2, Asked: 7, Pruned: 2},
	} {
		text, _ := run("featuregate-prod", append(strings.Fields(args), "-o", "json")...)
		lines := strings.Split(strings.TrimSpace(text), "\n")
		var got struct{ Sum *shadowSum }
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &got); err != nil || got.Sum == nil {
			t.Errorf("%s: %s, error %v", args, text, err)
			continue
		}
		got.Sum.Reasons = nil
		if fmt.Sprint(*got.Sum) != fmt.Sprint(want) || len(lines) != want.Evaluations+1 {
			t.Errorf("%s: %d lines, %+v, want %+v", args, len(lines), *got.Sum, want)
		}
	}
}

// TestShadowSaysWhatItMisses logs once what was pruned before a shadow that follows
// came to it, and nothing of what it has judged or was told to leave out.
func TestShadowSaysWhatItMisses(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	store, dir, away := growingStore(t, 4), filepath.Join(t.TempDir(), "shadow"), t.TempDir()
	log := entries(t, store, "availability")
	log = log[len(log)-4:]
	hidden := func(i int) string { return filepath.Join(away, filepath.Base(log[i])) }
	for i := 1; i < len(log); i++ {
		rename(t, log[i], hidden(i))
	}
	f := follow(t, store, dir)
	f.sees("the first")
	rename(t, store, store+".away")
	f.says("trying again")
	for i := 1; i < len(log); i++ {
		rename(t, hidden(i), strings.Replace(log[i], store, store+".away", 1))
	}
	pruneVersions(t, store+".away", 1, 3) // of which the first is judged
	rename(t, store+".away", store)
	f.says("versions=2")
	f.says("PROD is followed again")
	f.sees("the last")
	if err := f.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if rest := f.rest(); strings.Contains(rest, "pruned") || f.cmd.Wait() != nil {
		t.Errorf("it went on to say %s", rest)
	}
}
