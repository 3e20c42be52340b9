package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/logic"
)

// exitCode returns the exit code of a command that ended with err.
func exitCode(err error) int {
	var no *answerNo
	switch {
	case err == nil:
		return exitYes
	case errors.As(err, &no):
		return no.code
	}
	return exitError
}

// demoStore is a store in which the demo's logic ran on each edition.
func demoStore(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "demo")
	if _, err := command(t, "demo", "--json", "--data", smallEditions(t), "--dir", dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestJudge runs replay and shadow with commands in processes of their own; the
// exit codes and what they print are what scripts rely on.
func TestJudge(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0") // which each command would do
	store := demoStore(t)
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	write(t, rules, "gate:\n  available: 99%\nvalues: [available]\nignore: [full_percent, partial_percent]\n")
	many := filepath.Join(t.TempDir(), "many.yaml")
	write(t, many, "min_records: 1000000\n")
	var versions []versionLineage
	text, err := command(t, "versions", "availability", "--lineage", "--store", store, "-o", "json")
	if err != nil || json.Unmarshal([]byte(text), &versions) != nil || len(versions) == 0 {
		t.Fatalf("versions: %s, error %v", text, err)
	}
	first := "availability@" + versions[0].Version.String()
	prod, candidate := "featuregate-prod", "featuregate-candidate"
	for _, x := range []struct {
		name, args string // besides --store
		candidate  string
		exit       int
		verdict    compare.Verdict
		reports    int
	}{
		{"same", "--output availability --control " + prod, prod, 0, compare.Same, 1},
		{"same at a version", "--output " + first + " --control " + prod, prod, 0, compare.Same, 1},
		{"same for many", "--output availability --last 9 --control " + prod, prod, 0, compare.Same, 4},
		{"different", "--output availability --control " + prod, candidate, 1, compare.Different, 1},
		{"gate failed", "--output availability --gate full_percent:0 --control " + prod, candidate, 1, compare.NoGo, 1},
		{"gate passed", "--output availability --rules " + rules + " --control " + prod, candidate, 0, compare.Go, 1},
		{"no control", "--output availability", prod, 3, compare.Inconclusive, 1},
		{"bad control", "--output availability --control " + candidate, prod, 3, compare.Inconclusive, 1},
		{"crash", "--output availability --control " + prod, "false", 3, compare.Inconclusive, 1},
		{"too few records", "--output availability --rules " + many + " --control " + prod, prod, 3, compare.Inconclusive, 1},
		{"no such version", "--output availability@20000101000000000 --control " + prod, prod, 2, "", 0},
		{"not made by a logic", "--output usage --control " + prod, prod, 2, "", 0},
		{"gate that cannot fail", "--output availability --gate changed:100% --control " + prod, prod, 2, "", 0},
		{"gate that cannot fail here", "--output availability --gate available:1000000 --control " + prod, prod, 3, compare.Inconclusive, 1},
		{"breaking without a schema", "--output availability --breaking --control " + prod, prod, 2, "", 0},
		{"no name of a build", "--output availability --build= --control " + prod, prod, 2, "", 0},
		{"two files of rules", "--output availability --rules " + many + " --rules " + rules + " --control " + prod, prod, 2, "", 0},
		{"no file of rules", "--output availability --rules= --control " + prod, prod, 2, "", 0},
		{"no such field", "--output availability --gate avail:0 --control " + prod, prod, 2, "", 0},
		{"no such gate", "--output availability --gate available --control " + prod, prod, 2, "", 0},
		{"no such program", "--output availability --control " + prod, "no-such-program", 2, "", 0},
		{"kept in PROD's store", "--output availability --control " + prod + " --keep " + store, prod, 2, "", 0},
		{"kept inside it", "--output availability --control " + prod + " --keep " + store + "/kept", prod, 2, "", 0},
		{"kept among rules", "--output availability --control " + prod + " --keep " + filepath.Dir(rules), prod, 2, "", 0},
		{"one run only", "--output availability --runs 1 --control " + prod, prod, 2, "", 0},
	} {
		t.Run(x.name, func(t *testing.T) {
			args := slices.Concat([]string{"replay", "--store", store, "-o", "json"}, strings.Fields(x.args), []string{"--", x.candidate})
			text, err := command(t, args...)
			if got := exitCode(err); got != x.exit {
				t.Fatalf("exit code %d (%v), want %d: %s", got, err, x.exit, text)
			}
			if x.verdict == "" {
				return
			}
			var got replayResult
			if err := json.Unmarshal([]byte(text), &got); err != nil {
				t.Fatal(err)
			}
			if got.Verdict != x.verdict || len(got.Reports) != x.reports || (x.exit != 0) != (len(got.Reasons) > 0) {
				t.Errorf("verdict %s of %d reports because of %q, want %s of %d", got.Verdict, len(got.Reports), got.Reasons, x.verdict, x.reports)
			}
		})
	}
}

// TestReplayOfWhatIsGone says INCONCLUSIVE of versions that PROD's logic made and
// that were pruned or damaged since, and why.
func TestReplayOfWhatIsGone(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	dir := demoStore(t)
	store, err := blob.OpenDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all, err := logic.Evaluations(t.Context(), store, "availability")
	if err != nil || len(all) != 4 {
		t.Fatalf("%d evaluations, error %v", len(all), err)
	}
	later := func() time.Time { return time.Now().Add(time.Hour) }
	for _, n := range []dataset.Name{"availability", "usage"} {
		p := announce.Pruner{Store: store, Dataset: n, Policy: blob.PrunePolicy{Keep: 1}, Now: later}
		if _, err := p.Run(t.Context(), announce.Author{Name: "test"}); err != nil {
			t.Fatal(err)
		}
	}
	run := func(output, last string) (replayResult, int) {
		t.Helper()
		text, err := command(t, "replay", "--store", dir, "--output", output, "--last", last, "-o", "json",
			"--control", "featuregate-prod", "--", "featuregate-prod")
		var got replayResult
		if text != "" {
			if err := json.Unmarshal([]byte(text), &got); err != nil {
				t.Fatal(err)
			}
		}
		return got, exitCode(err)
	}
	pruned := "availability@" + all[0].Output.String()
	got, code := run(pruned, "1")
	if code != exitInconclusive || len(got.Reports) != 1 || !strings.Contains(strings.Join(got.Reasons, ""), pruned+": version was pruned") {
		t.Errorf("pruned: exit code %d, %+v", code, got)
	}
	text, _ := command(t, "replay", "--store", dir, "--output", pruned, "--", "featuregate-prod")
	if !strings.HasPrefix(text, pruned+"\n  verdict: INCONCLUSIVE (") {
		t.Errorf("pruned, for a person: %s", text)
	}
	if got, code = run("availability", "1"); code != exitYes || len(got.Reports) != 1 || got.Asked != 0 {
		t.Errorf("the newest: exit code %d, %+v", code, got)
	}
	if got, code = run("availability", "3"); code != exitInconclusive || len(got.Reports) != 3 || got.Reports[2].Verdict != compare.Same || got.Asked != 0 {
		t.Errorf("some are pruned: exit code %d, %+v", code, got)
	}
	if got, code = run("availability", "9"); code != exitInconclusive || got.Asked != 9 {
		t.Errorf("more than were ever made: exit code %d, %+v", code, got)
	}
	if _, code = run("usage", "1"); code != exitError {
		t.Errorf("not made by a logic, and mostly pruned: exit code %d", code)
	}
	manifests, err := filepath.Glob(filepath.Join(dir, "availability", "versions", all[3].Output.String()+"-*"))
	if err != nil || len(manifests) != 1 {
		t.Fatalf("manifests %v, error %v", manifests, err)
	}
	if err := os.Remove(manifests[0]); err != nil {
		t.Fatal(err)
	}
	if got, code = run("availability", "1"); code != exitInconclusive || !strings.Contains(strings.Join(got.Reasons, ""), all[3].Output.String()) {
		t.Errorf("lost: exit code %d, %+v", code, got)
	}
}

// TestReplayKillsAll looks for a process that a candidate hides in a session of
// its own.
func TestReplayKillsAll(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("only Linux lets a process adopt orphans")
	}
	store := demoStore(t)
	t.Chdir(t.TempDir())
	script := "setsid setsid sh -c 'echo $$ >pid.new; mv pid.new pid; exec tail -f /dev/null' </dev/null >/dev/null 2>&1 & " +
		"while [ ! -f pid ]; do :; done; exec featuregate-prod"
	text, err := command(t, "replay", "--store", store, "--output", "availability", "--control", "featuregate-prod", "--", "sh", "-c", script)
	if err != nil || !strings.Contains(text, "verdict: SAME") {
		t.Fatalf("%s, error %v", text, err)
	}
	pid, err := os.ReadFile("pid")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat("/proc/" + strings.TrimSpace(string(pid))); err == nil {
		t.Errorf("process %s still runs", pid)
	}
}

// TestShadow follows PROD, and then once more with one evaluation to do.
func TestShadow(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	store, dir := demoStore(t), t.TempDir()
	run := func(last string) (string, int) {
		text, err := command(t, "shadow", "--store", store, "--output", "availability", "--dir", dir, "--once", "--last", last,
			"--control", "featuregate-prod", "--gate", "full_percent: 0", "--", "featuregate-candidate")
		return text, exitCode(err)
	}
	for _, in := range []string{store, filepath.Join(store, "shadow"), filepath.Dir(store), smallEditions(t)} {
		before, err := os.ReadDir(in)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		_, err = command(t, "shadow", "--store", store, "--output", "availability", "--dir", in, "--once", "--", "featuregate-prod")
		if after, _ := os.ReadDir(in); exitCode(err) != exitError || len(after) != len(before) { // it may not be there
			t.Errorf("--dir %s: error %v, %d entries, before %d", in, err, len(after), len(before))
		}
	}
	for i, last := range []string{"3", "0", "0"} {
		text, exit := run(last)
		runs, kept := []int{3, 4, 4}[i], []int{0, 3, 4}[i]
		if exit != exitNo || strings.Count(text, "availability@") != runs || strings.Count(text, "NO-GO (a kept run of 20") != kept ||
			strings.Contains(text, fmt.Sprintf("verdict on %d evaluations, of which %d are kept runs of 20", runs, kept)) != (kept > 0) {
			t.Errorf("--last %s: exit code %d, printed\n%s\nwant %d runs, of which %d are kept", last, exit, text, runs, kept)
		}
	}
	text, err := command(t, "shadow", "ls", "--dir", dir, "-o", "json")
	var list []struct {
		ID      string
		Verdict compare.Verdict
		Output  dataset.Version
	}
	if err != nil || json.Unmarshal([]byte(text), &list) != nil || len(list) != 4 {
		t.Fatalf("ls: %s, error %v", text, err)
	}
	for _, r := range list {
		if r.Verdict != compare.NoGo {
			t.Errorf("run %s: verdict %s", r.ID, r.Verdict)
		}
	}
	text, err = command(t, "shadow", "show", list[3].ID, "--dir", dir)
	newest, err2 := command(t, "shadow", "show", "newest", "--dir", dir)
	if err != nil || err2 != nil || text != newest || !strings.Contains(text, "verdict: NO-GO (full_percent differs in ") {
		t.Errorf("show: %s, errors %v, %v", text, err, err2)
	}
	if _, err := command(t, "shadow", "show", "nothing", "--dir", dir); exitCode(err) != exitNo {
		t.Errorf("show of no run: error %v", err)
	}
	if _, err := command(t, "shadow", "ls", "--dir", t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("ls where there are no runs: error %v", err)
	}
}

// commandBoth runs a command as command does, and returns what it logs, too.
func commandBoth(t *testing.T, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs strings.Builder
	c := newRoot()
	c.SetArgs(args)
	c.SetOut(&out)
	c.SetErr(&errs)
	err = c.ExecuteContext(t.Context())
	return out.String(), errs.String(), err
}

// TestShadowAnew runs a candidate again, or says that it did not.
func TestShadowAnew(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	store, dir := demoStore(t), filepath.Join(t.TempDir(), "shadow")
	t.Chdir(t.TempDir())
	write(t, "conf", "exec featuregate-prod\n")
	write(t, "hidden", "exec featuregate-prod\n")
	run := func(args ...string) (kept bool, verdict compare.Verdict, stderr string) {
		t.Helper()
		args = slices.Concat([]string{"shadow", "--store", store, "--output", "availability", "--dir", dir, "--once", "--last", "1", "-o", "json",
			"--control", "featuregate-prod"}, args)
		text, stderr, err := commandBoth(t, args...)
		var r compare.Report
		line, _, _ := strings.Cut(text, "\n")
		if json.Unmarshal([]byte(line), &r) != nil || r.At.IsZero() || r.Verdict.Good() != (err == nil) {
			t.Fatalf("%v: %s, %s, error %v", args, text, stderr, err)
		}
		return r.Kept, r.Verdict, stderr
	}
	want := func(name string, wantKept bool, want compare.Verdict, args ...string) {
		t.Helper()
		if kept, verdict, stderr := run(args...); kept != wantKept || verdict != want || !strings.Contains(stderr, "the candidate's build is") {
			t.Errorf("%s: %s, kept %v, said %s", name, verdict, kept, stderr)
		}
	}
	script := []string{"--", "sh", "-c", ". ./$0; . ./hidden", "conf"}
	want("first", false, compare.Same, script...)
	want("the same", true, compare.Same, script...)
	write(t, "hidden", "exec featuregate-candidate\n")
	write(t, "conf", "\n")
	want("a file changed", false, compare.Different, script...)
	write(t, "hidden", "exec featuregate-prod\n")
	want("what no digest covers changed", true, compare.Different, script...)
	want("more runs", false, compare.Same, append([]string{"--runs", "3"}, script...)...)
	want("more time", false, compare.Same, append([]string{"--timeout", "1h"}, script...)...)
	want("named", false, compare.Same, append([]string{"--build", "v1"}, script...)...)
	want("named as before", true, compare.Same, append([]string{"--build", "v1"}, script...)...)
	want("named otherwise", false, compare.Same, append([]string{"--build", "v2"}, script...)...)
	want("again", false, compare.Same, append([]string{"--again"}, script...)...)
	want("in its place", true, compare.Same, script...)
	want("a program", false, compare.Same, "--", "featuregate-prod")
	want("the same file by another name", false, compare.Different, "--", "featuregate-candidate") // the tests' program is both
}

// TestJudgeReadsFiles names a pipe, into which nobody writes, and a file without
// an end where a command is judged.
func TestJudgeReadsFiles(t *testing.T) {
	store, fifo := demoStore(t), filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o700); err != nil {
		t.Fatal(err)
	}
	shadowed := filepath.Join(t.TempDir(), "shadow")
	for _, file := range []string{fifo, "/dev/zero"} {
		for _, args := range [][]string{
			{"replay", "--rules", file, "--", "featuregate-prod"},
			{"replay", "--schema", file, "--", "featuregate-prod"},
			{"replay", "--", fifo},
			{"replay", "--control", fifo, "--", "featuregate-prod"},
			{"shadow", "--once", "--dir", shadowed, "--rules", file, "--", "featuregate-prod"},
			{"evaluate", "--once", "--input", "usage", "--", fifo},
		} {
			args = append(args[:1:1], append([]string{"--store", store, "--output", "availability"}, args[1:]...)...)
			if text, err := command(t, args...); !errors.Is(err, blob.ErrNotRegular) {
				t.Errorf("%v: error %v, printed %s", args, err, text)
			}
		}
	}
	large := write(t, filepath.Join(t.TempDir(), "rules"), strings.Repeat("#\n", 1<<20))
	if _, err := command(t, "replay", "--store", store, "--output", "availability", "--rules", large, "--", "featuregate-prod"); !errors.Is(err, blob.ErrTooLarge) {
		t.Errorf("rules of 2 MiB: error %v", err)
	}
}

// TestReportHasNoHoles whatever was recorded of what made an output.
func TestReportHasNoHoles(t *testing.T) {
	inputs := []dataset.Input{{Dataset: "fx", Version: 2}}
	for want, e := range map[string]dataset.Evaluation{
		"offers@7, made by l (b) of fx@2\n":                                          {Logic: "l", Build: "b", Inputs: inputs},
		"offers@7, made by l (build not recorded) of fx@2\n":                         {Logic: "l", Inputs: inputs},
		"offers@7, made by b of fx@2\n":                                              {Build: "b", Inputs: inputs},
		"offers@7, made by a logic whose name and build were not recorded of fx@2\n": {Inputs: inputs},
		"offers@7, made by l (b)\n":                                                  {Logic: "l", Build: "b"},
	} {
		var b strings.Builder
		printReport(&b, "offers", &compare.Report{Output: 7, Evaluation: e, Verdict: compare.Inconclusive})
		if got := strings.TrimSuffix(b.String(), "  verdict: INCONCLUSIVE\n"); got != want {
			t.Errorf("printed %q, want %q", got, want)
		}
	}
}

func TestSplitWords(t *testing.T) {
	for text, want := range map[string]string{
		`./prod --fast`:         `["./prod" "--fast"]`,
		` sh -c 'a "b" c' `:     `["sh" "-c" "a \"b\" c"]`,
		`a\ b "c \" d" ''`:      `["a b" "c \" d" ""]`,
		`a'b'"c"`:               `["abc"]`,
		`'open`:                 `error`,
		`open\`:                 `error`,
		"  \t":                  `error`,
		`p --x='1 2' "$HOME" *`: `["p" "--x=1 2" "$HOME" "*"]`,
	} {
		words, err := splitWords(text)
		got := fmt.Sprintf("%q", words)
		if err != nil {
			got = "error"
		}
		if got != want {
			t.Errorf("splitWords(%q) is %s, want %s", text, got, want)
		}
	}
}
