package logic_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/testenv/featuregate"
)

// supervised returns a command of a shell that is run by this test's binary.
func supervised(t *testing.T, script string) *logic.Command {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return &logic.Command{Args: []string{"sh", "-c", script}, Supervisor: []string{self, "supervise"}}
}

// compute runs a command.
func compute(ctx context.Context, t *testing.T, c *logic.Command) error {
	t.Helper()
	mapping, err := featuregate.Mapping(featuregate.Output)
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Logic(featuregate.Output, mapping).Compute(ctx, usageSession(t))
	return err
}

// TestSupervised ends commands that hide a process, in every way that they end.
func TestSupervised(t *testing.T) {
	if _, err := exec.LookPath("setsid"); err != nil {
		t.Fatal("this test needs setsid, of util-linux")
	}
	for _, c := range []struct {
		name, script, want string
		timeout            time.Duration
	}{
		{"success", "exit 0", logic.ErrNotCommitted.Error(), 0},
		{"failure", "echo why >&2; exit 3", "exit status 3: why", 0},
		{"signal", "kill -9 $$", "signal: killed", 0},
		{"its own group", "kill -9 0", "signal: killed", 0},
		{"too long", "exec tail -f /dev/null", "took too long", time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			command := supervised(t, hideScript+c.script)
			command.Timeout = c.timeout
			if err := compute(t.Context(), t, command); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, want %q", err, c.want)
			}
			goneOf(t, "pid")
		})
	}
}

// TestSupervisedInterrupted ends the context.
func TestSupervisedInterrupted(t *testing.T) {
	t.Chdir(t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	command := supervised(t, hideScript+"echo started; exec tail -f /dev/null")
	command.Print = &firstWrite{done: cancel}
	if err := compute(ctx, t, command); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	goneOf(t, "pid")
}

// TestSupervisedDiesWithHost kills a host.
func TestSupervisedDiesWithHost(t *testing.T) {
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	host := exec.Command(self, "supervising host")
	host.Dir = dir
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = host.Wait() // it was killed
	goneOf(t, filepath.Join(dir, "pid"))
}

// goneOf waits until the process that a file names is gone.
func goneOf(t *testing.T, file string) {
	t.Helper()
	pid, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	stat := fmt.Sprintf("/proc/%s/stat", bytes.TrimSpace(pid))
	for deadline := time.Now().Add(30 * time.Second); ; {
		b, err := os.ReadFile(stat)
		if err != nil || strings.Contains(string(b), ") Z ") { // gone, or waited for by nobody
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the process still runs: %s", b)
		}
	}
}
