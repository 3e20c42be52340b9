package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestOnlyRegularFiles names what is no file wherever a command opens one by
// name: nobody writes to the pipe, so a command that read it would never end.
func TestOnlyRegularFiles(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	pipe := func(name string) string {
		if err := os.MkdirAll(filepath.Dir(at(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(at(name), 0o600); err != nil {
			t.Fatal(err)
		}
		return at(name)
	}
	store, fifo := at("store"), pipe("fifo")
	schema, file := write(t, at("item.proto"), itemSchema), write(t, at("1"), `{"id":"x","v":1}`)
	importing := write(t, at("importing.proto"), `syntax = "proto3"; import "fifo.proto";`)
	pipe("fifo.proto")
	if _, err := process(t, "publish", "--store", store, "--schema", schema, "items", file); err != nil {
		t.Fatal(err)
	}
	announced, err := os.ReadFile(filepath.Join(store, "items", "announced.version"))
	if err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(filepath.Join(store, "items", "snapshot-"+string(announced)))
	if err != nil {
		t.Fatal(err)
	}
	one, two := filepath.Dir(pipe("one/snapshot-12")), filepath.Dir(pipe("two/delta-12-13")) // of Java producers
	write(t, filepath.Join(one, "announced.version"), "12")
	for _, name := range []string{"two/reversedelta-12-11", "two/header-12", "two/snapshot_p-12"} {
		pipe(name)
	}
	snapshot := write(t, filepath.Join(two, "snapshot-12"), string(content))
	keyed := write(t, at("keyed.yaml"), fmt.Sprintf("listen: \"\"\nadmin: \"\"\nsocket: %s\ngossip: {cluster: c, bind: 127.0.0.1:0, key_file: %s}\ndatasets: [{name: items, store: %s}]\n", at("s"), fifo, store))
	for _, c := range []struct {
		want string
		args []string
	}{
		{fifo + ": not a regular file", []string{"run", "--config", fifo}},
		{"/dev/zero: not a regular file", []string{"run", "--config", "/dev/zero"}},
		{"is a directory", []string{"run", "--config", dir}},
		{fifo + ": not a regular file", []string{"run", "--config", keyed}},
		{fifo + ": not a regular file", []string{"publish", "--store", store, "--schema", fifo, "items", file}},
		{"/dev/zero: not a regular file", []string{"publish", "--store", store, "--schema", "/dev/zero", "items", file}},
		{"fifo.proto: not a regular file", []string{"publish", "--store", store, "--schema", importing, "items", file}},
		{fifo + ": not a regular file", []string{"evaluate", "--store", store, "--schema", fifo, "--input", "items", "--output", "o", "--", "true"}},
		{"snapshot-12: not a regular file", []string{"verify", one}},
		{"/delta-12-13: not a regular file", []string{"verify", two}},
		{"/reversedelta-12-11: not a regular file", []string{"verify", two}},
		{"snapshot-12: not a regular file", []string{"adopt", "a", "--store", store, "--from", one, "--reason", "r"}},
		{fifo + ": not a regular file", []string{"dump", "--load", fifo}},
		{fifo + ": not a regular file", []string{"dump", "--load", snapshot + "," + fifo}},
		{fifo + ": not a regular file", []string{"dump", "--bytes", fifo}},
		{fifo + ": not a regular file", []string{"dump", "--pages", fifo}},
		{"/dev/zero: not a regular file", []string{"dump", "--load", "/dev/zero"}},
		{"snapshot_p-12: not a regular file", []string{"dump", "--load", snapshot, "--parts", "p"}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		cmd := exec.CommandContext(ctx, "holdfast", c.args...)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || ctx.Err() != nil || exit.ExitCode() < exitNo || !strings.Contains(out.String(), c.want) {
			t.Errorf("%s: %v, it says: %s, want %q", strings.Join(c.args, " "), err, &out, c.want)
		}
		cancel()
	}
}
