package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/compare"
)

// decision is the command line that makes availability in a store.
func decision(store string, more ...string) []string {
	return append([]string{"evaluate", "--store", store, "--output", "availability", "--input", "features", "--input", "browsers", "--input", "usage"}, more...)
}

// TestEvaluateOnce runs PROD's logic on the newest inputs, as replay does again.
func TestEvaluateOnce(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	store := demoStore(t)
	run := func(more ...string) (evaluated, string, error) {
		t.Helper()
		text, err := command(t, decision(store, append([]string{"--once", "-o", "json"}, more...)...)...)
		var got evaluated
		if err == nil {
			if err := json.Unmarshal([]byte(text), &got); err != nil {
				t.Fatal(err)
			}
		}
		return got, text, err
	}
	got, text, err := run("--", "featuregate-prod")
	if err != nil || got.Published || !strings.HasPrefix(got.Evaluation.Build, "sha256:") || got.Evaluation.Logic != "featuregate-prod" || len(got.Evaluation.Inputs) != 3 {
		t.Fatalf("the same again: %s, error %v", text, err)
	}
	got, text, err = run("--logic", "gate", "--build", "c0ffee", "--", "featuregate-candidate")
	if err != nil || !got.Published || got.Changed == 0 || got.Evaluation.Build != "c0ffee" || got.Evaluation.Logic != "gate" || got.Evaluation.Output != got.Version {
		t.Fatalf("another logic: %s, error %v", text, err)
	}
	text, err = command(t, "replay", "--store", store, "--output", "availability", "--control", "featuregate-candidate", "--", "featuregate-candidate")
	if err != nil || !strings.Contains(text, "made by gate (c0ffee) of browsers@") || !strings.Contains(text, "verdict: "+string(compare.Same)) {
		t.Errorf("replayed: %s, error %v", text, err)
	}
	text, err = command(t, decision(store, "--once", "--", "featuregate-candidate")...)
	if err != nil || !strings.HasPrefix(text, "availability: nothing changed, still at ") || !strings.Contains(text, "\n  made by featuregate-candidate (sha256:") {
		t.Errorf("for a person: %s, error %v", text, err)
	}
}

// TestEvaluateFails leaves the output as it was.
func TestEvaluateFails(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	store := demoStore(t)
	before, err := command(t, "versions", "availability", "--lineage", "--store", store)
	if err != nil {
		t.Fatal(err)
	}
	schema := write(t, filepath.Join(t.TempDir(), "n.proto"), itemSchema)
	for want, args := range map[string][]string{
		"the command failed":             decision(store, "--once", "--", "false"),
		"without a commit":               decision(store, "--once", "--", "true"),
		"not in the session":             {"evaluate", "--store", store, "--output", "availability", "--input", "usage", "--once", "--", "featuregate-prod"},
		"no version yet: name the .pro":  {"evaluate", "--store", store, "--output", "other", "--input", "usage", "--once", "--", "featuregate-prod"},
		"--input: the store has no data": {"evaluate", "--store", store, "--output", "other", "--schema", schema, "--input", "nothing", "--once", "--", "featuregate-prod"},
		"usage is input and output":      {"evaluate", "--store", store, "--output", "usage", "--input", "usage", "--once", "--", "featuregate-prod"},
		"an input is named twice":        decision(store, "--input", "usage", "--once", "--", "featuregate-prod"),
		"the schema breaks its readers":  decision(store, "--schema", schema, "--once", "--", "featuregate-prod"),
		"executable file not found":      decision(store, "--once", "--", "no-such-program"),
		"write the logic's command":      decision(store, "--once"),
		"--every and --poll are for":     decision(store, "--once", "--every", "1h", "--", "featuregate-prod"),
		"the command took too long":      decision(store, "--once", "--timeout", "50ms", "--", "tail", "-f", "/dev/null"),
		"--poll must be greater than 0":  decision(store, "--poll", "0s", "--", "featuregate-prod"),
		"--max-removed must be in 0 to ": decision(store, "--max-removed", "2", "--once", "--", "featuregate-prod"),
	} {
		text, err := command(t, args...)
		if exitCode(err) != exitError || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q, printed %s", args, err, want, text)
		}
	}
	if now, err := command(t, "versions", "availability", "--lineage", "--store", store); err != nil || now != before {
		t.Errorf("the output is\n%s\nerror %v, was\n%s", now, err, before)
	}
}

// TestEvaluateMisspelt follows an input that is not there. It may come, so that is
// no error, but a warning says what may be meant.
func TestEvaluateMisspelt(t *testing.T) {
	schema := write(t, filepath.Join(t.TempDir(), "n.proto"), itemSchema)
	c := exec.CommandContext(t.Context(), "holdfast", "evaluate", "--store", demoStore(t), "--output", "other", "--schema", schema, "--input", "usgae", "--", "true")
	errs, err := c.StderrPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(errs)
	if !lines.Scan() || !strings.Contains(lines.Text(), "input is not in the store") || !strings.Contains(lines.Text(), "dataset=usgae did_you_mean=usage") {
		t.Errorf("it says %q first", lines.Text())
	}
	if !lines.Scan() || !strings.Contains(lines.Text(), "trying again") {
		t.Errorf("it says %q then", lines.Text())
	}
	if err := errors.Join(c.Process.Signal(os.Interrupt), c.Wait()); err != nil {
		t.Errorf("it ended with %v", err)
	}
}

// TestEvaluateFollows starts with no output, sees an input move, and ends well
// when it is told to, also in the middle of a run.
func TestEvaluateFollows(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	store := demoStore(t)
	if err := os.RemoveAll(filepath.Join(store, "availability")); err != nil {
		t.Fatal(err)
	}
	schema := filepath.Join("..", "..", "testenv", "featuregate")
	started := filepath.Join(t.TempDir(), "started")
	script := "if [ -e " + started + ".wait ]; then echo >" + started + "; exec tail -f /dev/null; fi; exec featuregate-prod"
	c := exec.CommandContext(t.Context(), "holdfast", decision(store, "--schema", filepath.Join(schema, "availability.proto"),
		"--poll", "20ms", "-o", "json", "--", "sh", "-c", script)...)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs strings.Builder
	c.Stderr = &errs
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	next := func() (got evaluated) {
		t.Helper()
		if !lines.Scan() {
			t.Fatalf("it ended: %v", c.Wait())
		}
		if err := json.Unmarshal(lines.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		return got
	}
	first := next()
	change := func() {
		t.Helper()
		usage, err := command(t, "export", "usage", "--store", store)
		if err != nil {
			t.Fatal(err)
		}
		kept := strings.Split(strings.TrimSpace(usage), "\n")
		kept = slices.Delete(kept, 0, 1)
		file := write(t, filepath.Join(t.TempDir(), "usage"), strings.Join(kept, "\n")+"\n")
		if _, err := command(t, "publish", "--store", store, "--schema", filepath.Join(schema, "usage.proto"), "usage", file); err != nil {
			t.Fatal(err)
		}
	}
	change()
	second := next()
	if !first.Published || first.Records == 0 || !second.Published || second.Removed == 0 || second.Version <= first.Version {
		t.Errorf("first %+v, then %+v", first.Result, second.Result)
	}
	write(t, started+".wait", "")
	change()
	for { // until the command runs
		if _, err := os.Stat(started); err == nil {
			break
		}
		<-time.After(20 * time.Millisecond) // the other side is a process
	}
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if lines.Scan() {
		t.Errorf("it printed %s", lines.Text())
	}
	if err := c.Wait(); err != nil || errs.Len() > 0 {
		t.Errorf("told to end: %v, %s", err, &errs)
	}
}
