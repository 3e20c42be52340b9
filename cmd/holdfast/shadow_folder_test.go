package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/replay"
	"github.com/holdfast-data/holdfast/shadow"
)

// TestShadowSaysThatNobodyListens ends with a reason if the reader of its reports is
// gone, and keeps what it made.
func TestShadowSaysThatNobodyListens(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	store, dir := demoStore(t), filepath.Join(t.TempDir(), "shadow")
	for _, once := range []string{"--once=false", "--once"} {
		r, w, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		_ = r.Close() // nobody reads
		c := exec.CommandContext(t.Context(), "holdfast", "shadow", "--store", store, "--output", "availability", "--dir", dir, "--last", "1", once, "--again",
			"--control", "featuregate-prod", "--", "featuregate-prod")
		var errs bytes.Buffer
		c.Stdout, c.Stderr = w, &errs
		err = c.Run()
		_ = w.Close()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != exitError ||
			!strings.Contains(errs.String(), "holdfast: the runs that were made are kept in "+dir+"; only the answer could not be written: write ") {
			t.Errorf("%s: %v, it says: %s", once, err, &errs)
		}
		if text, err := command(t, "shadow", "ls", "--dir", dir); err != nil || strings.Count(text, "SAME") != 1 {
			t.Errorf("%s: kept are %s, error %v", once, text, err)
		}
	}
}

// TestShadowsOfOneFolder has a second shadow beside one that follows: it is refused at
// once, and whoever looks is not.
func TestShadowsOfOneFolder(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	store, dir := demoStore(t), filepath.Join(t.TempDir(), "shadow")
	f := follow(t, store, dir)
	f.sees("the first")
	text, err := command(t, "shadow", "--store", store, "--output", "availability", "--dir", dir, "--once", "--", "featuregate-candidate")
	if !errors.Is(err, shadow.ErrInUse) || !strings.Contains(err.Error(), dir) || text != "" {
		t.Errorf("a second one: error %v, printed %s", err, text)
	}
	for _, args := range [][]string{{"ls"}, {"show", "newest"}} {
		if text, err := command(t, append([]string{"shadow", "--dir", dir}, args...)...); err != nil || !strings.Contains(text, "SAME") {
			t.Errorf("%v beside it: %s, error %v", args, text, err)
		}
	}
	if err := f.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if rest := f.rest(); f.cmd.Wait() != nil {
		t.Errorf("the first one ended: %s", rest)
	}
	if _, err := command(t, "shadow", "--store", store, "--output", "availability", "--dir", dir, "--once", "--last", "1", "--control", "featuregate-prod", "--", "featuregate-prod"); err != nil {
		t.Errorf("after it: error %v", err)
	}
}

// TestShadowLsTellsRunsApart of an output that did not change, and says why a verdict
// is not a good one.
func TestShadowLsTellsRunsApart(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	store, dir := demoStore(t), filepath.Join(t.TempDir(), "shadow")
	if _, err := command(t, "shadow", "--store", store, "--output", "availability", "--dir", dir, "--once", "--", "featuregate-prod"); exitCode(err) != exitInconclusive {
		t.Fatal(err)
	}
	text, err := command(t, "shadow", "ls", "--dir", dir)
	lines := strings.Split(strings.TrimSpace(text), "\n")
	if err != nil || !strings.Contains(lines[0], "  CLOCK  ") || !strings.HasSuffix(lines[0], "  REASON") {
		t.Fatalf("%s, error %v", text, err)
	}
	seen := map[string]bool{}
	for _, line := range lines[1:] {
		_, rest, _ := strings.Cut(line, "  ") // its own name, which tells nobody anything
		if seen[rest] || !strings.HasSuffix(line, "  INCONCLUSIVE  there is no control to compare with") {
			t.Errorf("line %q", line)
		}
		seen[rest] = true
	}
	if got := inBrief([]string{strings.Repeat("ä", 100), "b"}); len([]rune(got)) != maxBrief || !strings.HasSuffix(got, "…") {
		t.Errorf("a long reason is %q", got)
	}
}

// TestShadowOwnOutputs ends at damaged files of the candidate's own outputs, saying
// that they can be removed: that keeps no run, and kept runs stay what they are.
func TestShadowOwnOutputs(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	store, dir := demoStore(t), filepath.Join(t.TempDir(), "shadow")
	run := func(args ...string) (string, error) {
		args = append([]string{"shadow", "--store", store, "--output", "availability", "--dir", dir, "--once", "--control", "featuregate-prod"}, args...)
		return command(t, append(args, "--", "featuregate-prod")...)
	}
	if text, err := run("--last", "1"); err != nil {
		t.Fatal(text, err)
	}
	own, err := filepath.Glob(filepath.Join(dir, "outputs", "*"))
	if err != nil || len(own) != 1 {
		t.Fatal(own, err)
	}
	for pattern, damage := range map[string]func(string) error{
		"blobs": func(path string) error {
			return errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte("x"), 0o600))
		},
		"versions": os.Remove,
		"log": func(path string) error {
			return errors.Join(os.Chmod(path, 0o600), os.WriteFile(path, []byte("x"), 0o600))
		},
	} {
		files, err := filepath.Glob(filepath.Join(own[0], "availability", pattern, "*"))
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, files, err)
		}
		for _, path := range files {
			if err := damage(path); err != nil {
				t.Fatal(err)
			}
		}
		text, err := run("--last", "1", "--again")
		var mine *replay.OutputsError
		if exitCode(err) != exitError || !errors.As(err, &mine) || mine.Dir != own[0] || !strings.Contains(err.Error(), own[0]) || strings.Contains(text, "INCONCLUSIVE") ||
			strings.Contains(err.Error(), "--from-scratch") || strings.Contains(err.Error(), "producers") {
			t.Errorf("%s: error %v, printed %s", pattern, err, text)
		}
		if err := os.RemoveAll(own[0]); err != nil {
			t.Fatal(err)
		}
		if text, err := run("--last", "1"); err != nil || strings.Count(text, "SAME (a kept run of ") != 1 {
			t.Errorf("%s: kept before, now %s, error %v", pattern, text, err)
		}
		if text, err := run("--last", "1", "--again"); err != nil || strings.Count(text, "SAME") != 2 || strings.Contains(text, "kept") {
			t.Errorf("%s: made again after the removal: %s, error %v", pattern, text, err)
		}
	}
}
