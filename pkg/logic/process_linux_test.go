package logic_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// TestCommandDiesWithHost kills a host, which then cannot end its command.
func TestCommandDiesWithHost(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	host := exec.Command(self, "host")
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	pid, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = host.Wait() // it was killed
	stat := fmt.Sprintf("/proc/%s/stat", strings.TrimSpace(pid))
	for deadline := time.Now().Add(30 * time.Second); ; {
		b, err := os.ReadFile(stat)
		if err != nil || strings.Contains(string(b), ") Z ") { // gone, or waited for by nobody
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the command still runs: %s", b)
		}
	}
}
