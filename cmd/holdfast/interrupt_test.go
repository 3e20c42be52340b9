package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestPublishInterrupted interrupts a publish that waits for more input.
func TestPublishInterrupted(t *testing.T) {
	dir := t.TempDir()
	schema := write(t, filepath.Join(dir, "item.proto"), itemSchema)
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, source := range []string{"-", fifo} {
		for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
			store := filepath.Join(dir, "store")
			c := exec.CommandContext(t.Context(), "holdfast", "publish", "--store", store, "--schema", schema, "items", source)
			var errs bytes.Buffer
			c.Stderr = &errs
			in, err := c.StdinPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			if source == fifo {
				if in, err = os.OpenFile(fifo, os.O_WRONLY, 0); err != nil { // waits for its reader
					t.Fatal(err)
				}
			}
			// More than a pipe holds: when it is written, it is being read.
			if _, err := in.Write([]byte(strings.Repeat(" ", 1<<20))); err != nil {
				t.Fatal(err)
			}
			if err := c.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			var exit *exec.ExitError
			if err := c.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitError || !strings.Contains(errs.String(), "interrupted") {
				t.Errorf("%s, %v: %v: %s", source, signal, err, &errs)
			}
			_ = in.Close() // the reader is gone
		}
	}
}

// TestDemoCleansUp stops reading the demo's story, as head does.
func TestDemoCleansUp(t *testing.T) {
	temporary := t.TempDir()
	c := exec.CommandContext(t.Context(), "holdfast", "demo", "--data", smallEditions(t))
	c.Env = append(os.Environ(), "TMPDIR="+temporary)
	var errs bytes.Buffer
	c.Stderr = &errs
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	_ = out.Close() // it was read only
	var exit *exec.ExitError
	if err := c.Wait(); !errors.As(err, &exit) || exit.ExitCode() != exitError {
		t.Errorf("%v: %s", err, &errs)
	}
	if strings.Contains(errs.String(), "holdfast:") {
		t.Errorf("who reads no more is told %s", &errs)
	}
	left, err := os.ReadDir(temporary)
	if err != nil || len(left) > 0 {
		t.Errorf("it leaves %v behind, error %v", left, err)
	}
}
