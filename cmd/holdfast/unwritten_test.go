package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"testing"
)

// TestDoneButUnwritten holds that a command whose answer cannot be written says
// what it has done: whoever reads no more of it does not do it again.
func TestDoneButUnwritten(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /dev/full, which Linux has")
	}
	dir := t.TempDir()
	store := filepath.Join(dir, "store")
	schema := write(t, filepath.Join(dir, "item.proto"), itemSchema)
	one, two := write(t, filepath.Join(dir, "1"), `{"id":"x","v":1}`), write(t, filepath.Join(dir, "2"), `{"id":"x","v":2}`)
	if _, err := process(t, "publish", "--store", store, "--schema", schema, "items", one); err != nil {
		t.Fatal(err)
	}
	first, err := os.ReadFile(filepath.Join(store, "items", "announced.version"))
	if err != nil {
		t.Fatal(err)
	}
	hollow := filepath.Join(dir, "hollow")
	if err := os.CopyFS(hollow, os.DirFS(filepath.Join(store, "items"))); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		want string
		args []string
	}{
		{`items@\d+ was published and announced`, []string{"publish", "--store", store, "--schema", schema, "items", two}},
		{`consumers of items go to ` + string(first) + ` now`, []string{"pin", "items@" + string(first), "--store", store, "--reason", "r"}},
		{`consumers of items go to \d+ now`, []string{"unpin", "items", "--store", store, "--reason", "r"}},
		{`items@\d+ was published and announced`, []string{"publish", "--store", store, "--schema", schema, "items", one, "-o", "json"}},
		{`\d+ files of items were deleted`, []string{"prune", "items", "--store", store, "--keep", "1", "--keep-for", "0s"}},
		{`no file of items was deleted`, []string{"prune", "items", "--store", store, "--keep", "1", "--keep-for", "0s"}},
		{`other@\d+ was published and announced`, []string{"adopt", "other", "--store", store, "--from", hollow, "--root", "Item", "--reason", "r"}},
	} {
		full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), "holdfast", c.args...)
		var errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = full, &errs
		err = cmd.Run()
		_ = full.Close()
		want := regexp.MustCompile(`(?m)^holdfast: ` + c.want + `.*; only the answer could not be written: .*no space left`)
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != exitError || !want.Match(errs.Bytes()) {
			t.Errorf("%s: %v, it says: %s, want %s", c.args[0], err, &errs, want)
		}
	}
}

// TestDoneThoughNobodyListens holds the same for a pipe that was closed, about
// which commands that only look say nothing.
func TestDoneThoughNobodyListens(t *testing.T) {
	dir := t.TempDir()
	schema, file := write(t, filepath.Join(dir, "item.proto"), itemSchema), write(t, filepath.Join(dir, "1"), `{"id":"x","v":1}`)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	_ = r.Close() // nobody reads
	defer w.Close()
	for _, c := range []struct {
		want string
		args []string
	}{
		{`items@\d+ was published and announced`, []string{"publish", "--store", filepath.Join(dir, "store"), "--schema", schema, "items", file}},
		{`\A\z`, []string{"ls", "--store", filepath.Join(dir, "store")}},
	} {
		cmd := exec.CommandContext(t.Context(), "holdfast", c.args...)
		var errs bytes.Buffer
		cmd.Stdout, cmd.Stderr = w, &errs
		var exit *exec.ExitError
		if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != exitError || !regexp.MustCompile(c.want).Match(errs.Bytes()) {
			t.Errorf("%s: %v, it says: %s, want %s", c.args[0], err, &errs, c.want)
		}
	}
}
