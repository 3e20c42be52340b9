package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// following is a shadow that runs as a process, and what it prints.
type following struct {
	t         *testing.T
	cmd       *exec.Cmd
	out, errs *bufio.Scanner
}

func follow(t *testing.T, store, dir string) *following {
	t.Helper()
	c := exec.CommandContext(t.Context(), "holdfast", "shadow", "--store", store, "--output", "availability", "--dir", dir,
		"--poll", "20ms", "-o", "json", "--control", "featuregate-prod", "--", "featuregate-prod")
	scan := func(r io.ReadCloser, err error) *bufio.Scanner {
		if err != nil {
			t.Fatal(err)
		}
		s := bufio.NewScanner(r)
		s.Buffer(nil, 16<<20)
		return s
	}
	f := &following{t: t, cmd: c, out: scan(c.StdoutPipe()), errs: scan(c.StderrPipe())}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return f
}

// sees waits for the report of an evaluation, which is to be a good one.
func (f *following) sees(what string) dataset.Version {
	f.t.Helper()
	if !f.out.Scan() {
		f.t.Fatalf("%s: it ended: %s", what, f.rest())
	}
	var r compare.Report
	if err := json.Unmarshal(f.out.Bytes(), &r); err != nil || r.Verdict != compare.Same {
		f.t.Fatalf("%s: %.1000s, error %v", what, f.out.Text(), err)
	}
	return r.Output
}

// says waits for a line of its log.
func (f *following) says(words string) {
	f.t.Helper()
	for f.errs.Scan() {
		if strings.Contains(f.errs.Text(), words) {
			return
		}
	}
	f.t.Fatalf("it ended without a word of %q", words)
}

func (f *following) rest() string {
	var lines []string
	for f.errs.Scan() {
		lines = append(lines, f.errs.Text())
	}
	return strings.Join(lines, "\n")
}

// entries are the files of a log, oldest first.
func entries(t *testing.T, store, name string) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(store, name, "log", "*.json"))
	if err != nil || len(list) < 4 {
		t.Fatalf("log entries %v, error %v", list, err)
	}
	return list
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

// TestShadowFollows has a shadow see new evaluations, and go on after the store,
// the log and the kept runs were out of reach, and after a kill.
func TestShadowFollows(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	store, dir, away := demoStore(t), filepath.Join(t.TempDir(), "shadow"), t.TempDir()
	log := entries(t, store, "availability")
	log = log[len(log)-4:] // each of another evaluation
	hidden := func(i int) string { return filepath.Join(away, filepath.Base(log[i])) }
	for i := 1; i < len(log); i++ {
		rename(t, log[i], hidden(i))
	}
	f := follow(t, store, dir)
	outputs := []dataset.Version{f.sees("the first")}
	rename(t, hidden(1), log[1])
	outputs = append(outputs, f.sees("one that comes"))

	rename(t, store, store+".away")
	f.says("trying again")
	if err := os.Mkdir(store, 0o755); err != nil { // as when nothing is mounted there
		t.Fatal(err)
	}
	f.says("is empty")
	if err := os.Remove(store); err != nil {
		t.Fatal(err)
	}
	rename(t, shadowRuns(dir), shadowRuns(dir)+".away")
	write(t, shadowRuns(dir), "")
	rename(t, store+".away", store)
	rename(t, hidden(2), log[2])
	f.says("kept runs")
	if err := os.Remove(shadowRuns(dir)); err != nil {
		t.Fatal(err)
	}
	rename(t, shadowRuns(dir)+".away", shadowRuns(dir))
	outputs = append(outputs, f.sees("one made during an outage"))
	f.says("PROD is followed again")
	if err := f.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := f.cmd.Wait(); !errors.As(err, &exit) || exit.Exited() {
		t.Errorf("killed, it ended with %v", err)
	}

	rename(t, hidden(3), log[3])
	f = follow(t, store, dir)
	outputs = append(outputs, f.sees("one made after a kill"))
	if err := f.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if rest := f.rest(); f.out.Scan() || f.cmd.Wait() != nil || strings.Contains(rest, "trying again") {
		t.Errorf("interrupted, it printed %q, %q", f.out.Text(), rest)
	}
	if !slices.IsSorted(outputs) || outputs[0] == outputs[3] { // not each changed the output
		t.Errorf("the evaluations came as %v", outputs)
	}
	text, err := command(t, "shadow", "ls", "--dir", dir, "-o", "json")
	if err != nil || strings.Count(text, `"verdict":"SAME"`) != len(outputs) || strings.Contains(text, "INCONCLUSIVE") {
		t.Errorf("kept: %s, error %v", text, err)
	}
}

// TestShadowChooses passes over the evaluations before --last, and over no others
// when some of these are pruned.
func TestShadowChooses(t *testing.T) {
	var all []dataset.Evaluation
	for i := range 6 {
		all = append(all, dataset.Evaluation{Output: 7, Seed: dataset.Seed(i)})
	}
	for _, x := range []struct {
		last              int
		first, then, want []dataset.Evaluation
	}{
		{0, all[:4], all, all},
		{1, all[:4], all, all[3:]},
		{1, all[:4], all[2:], all[3:]},
		{1, all[:4], all[4:], all[4:]},
		{2, all[:4], all[3:], all[3:]},
		{9, all[:4], all, all},
	} {
		s := &follower{c: newShadow(), last: x.last}
		s.c.SetErr(io.Discard)
		for i, now := range [][]dataset.Evaluation{x.first, x.then} {
			want := [][]dataset.Evaluation{x.first[max(0, len(x.first)-x.last):], x.want}[i]
			if x.last == 0 && i == 0 {
				want = x.first
			}
			if got := s.choose(slices.Clone(now), nil); !reflect.DeepEqual(got, want) {
				t.Errorf("--last %d, look %d: %v, want %v", x.last, i+1, got, want)
			}
		}
	}
}

// TestShadowEnds on what no waiting mends.
func TestShadowEnds(t *testing.T) {
	store, dir := demoStore(t), filepath.Join(t.TempDir(), "shadow")
	for _, gate := range []string{"nothing: 0", "region: 0"} {
		text, err := command(t, "shadow", "--store", store, "--output", "availability", "--dir", dir, "--gate", gate,
			"--control", "featuregate-prod", "--", "featuregate-prod")
		if !errors.Is(err, compare.ErrRule) {
			t.Errorf("--gate %q: error %v, printed %s", gate, err, text)
		}
	}
}

// TestOnceInterrupted interrupts commands that are to end by themselves: what they
// were to say is not known, which is no good answer.
func TestOnceInterrupted(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	store := demoStore(t)
	hangs := []string{"--", "sh", "-c", "echo it hangs; exec tail -f /dev/null"}
	for name, args := range map[string][]string{
		"shadow":   {"shadow", "--once", "--dir", filepath.Join(t.TempDir(), "shadow"), "--control", "featuregate-prod"},
		"replay":   {"replay", "--control", "featuregate-prod"},
		"control":  {"replay", "--control", strings.Join(hangs[1:3], " ") + " '" + hangs[3] + "'"},
		"evaluate": {"evaluate", "--once", "--input", "usage"},
	} {
		for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
			args := append(args, "--store", store, "--output", "availability")
			if name == "control" {
				args = append(args, "--", "featuregate-prod")
			} else {
				args = append(args, hangs...)
			}
			c := exec.CommandContext(t.Context(), "holdfast", args...)
			stderr, err := c.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			c.Stdout = &out
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			said := &following{t: t, errs: bufio.NewScanner(stderr)}
			said.says("it hangs")
			if err := c.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			rest := said.rest()
			var exit *exec.ExitError
			if err := c.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitError || out.Len() > 0 || rest != "holdfast: interrupted" {
				t.Errorf("%s, %v: %v, said %s, printed %s", name, signal, err, rest, &out)
			}
		}
	}
}

// TestShadowEndsWithItsCandidate ends if another program takes the place of the
// candidate while it is followed: its runs would bear the name of the first one.
func TestShadowEndsWithItsCandidate(t *testing.T) {
	t.Setenv("GORACE", "atexit_sleep_ms=0")
	store := demoStore(t)
	t.Chdir(t.TempDir())
	write(t, "script", "echo '#' >>script; exec featuregate-prod\n")
	c := exec.CommandContext(t.Context(), "holdfast", "shadow", "--store", store, "--output", "availability", "--dir", "shadow",
		"--control", "featuregate-prod", "--", "sh", "script")
	text, err := c.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitError || !strings.Contains(string(text), "the files of a command changed while it was replayed: sh was sha256:") {
		t.Errorf("%v: %s", err, text)
	}
}
