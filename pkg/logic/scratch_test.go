package logic_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/logic"
)

// scratch has this process, or one that is then killed, make a folder.
func scratch(t *testing.T, killed bool) (dir string) {
	t.Helper()
	if !killed {
		dir, remove, err := logic.Scratch()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := remove(); err != nil {
				t.Error(err)
			}
			if _, err := os.Stat(dir); !os.IsNotExist(err) {
				t.Errorf("removed, %s is still there: %v", dir, err)
			}
		})
		return dir
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), self, "scratch")
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	n, err := out.Read(b)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // it was killed
	return string(b[:n])
}

// TestScratch removes what a process has left that was killed, and nothing else.
func TestScratch(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	keep := func(name string) string {
		dir := filepath.Join(os.TempDir(), name)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	others := []string{keep("holdfast-7"), keep("other"), keep("holdfast")}
	if err := os.WriteFile(filepath.Join(others[1], ".holdfast-scratch"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(others[1], filepath.Join(os.TempDir(), "holdfast-link")); err != nil {
		t.Fatal(err)
	}
	left := scratch(t, true)
	if err := os.WriteFile(filepath.Join(left, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mine := scratch(t, false)
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("%s, of a process that was killed, is still there: %v", left, err)
	}
	for _, dir := range append(others, mine, scratch(t, false)) {
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
	}
}
