package shadow_test

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/compare"
)

// keepInto has this program keep runs in a folder until it is killed, and say so of
// each; some are so large that they lie in files of their own.
const keepInto = "SHADOW_TEST_KEEP_INTO"

// TestKill kills a process again and again while it keeps runs: the next one always
// goes on, and no run is lost that was kept.
func TestKill(t *testing.T) {
	if dir := os.Getenv(keepInto); dir != "" {
		keepUntilKilled(t, dir)
		return
	}
	const seed, kills = 7, 12
	dir, random, kept := t.TempDir(), rand.New(rand.NewPCG(seed, 0)), map[string]bool{}
	for i := range kills {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKill$")
		cmd.Env = append(os.Environ(), keepInto+"="+dir)
		cmd.Stderr = os.Stderr
		var said []string
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			run, ok := strings.CutPrefix(lines.Text(), "kept ")
			if !ok {
				said = append(said, lines.Text())
				continue
			}
			if kept[run] = true; random.IntN(4) == 0 {
				time.Sleep(time.Duration(random.IntN(20)) * time.Millisecond)
				_ = cmd.Process.Kill()
			}
		}
		if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Fatalf("process %d: %v\n%s", i, err, strings.Join(said, "\n"))
		}
	}
	all, err := openStore(t, dir).All(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range all {
		delete(kept, r.Candidate)
	}
	if len(kept) > 0 {
		t.Errorf("%d runs were kept and are lost, seed %d", len(kept), seed)
	}
}

func keepUntilKilled(t *testing.T, dir string) {
	s := openStore(t, dir)
	if _, err := s.All(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		r := &compare.Report{Candidate: fmt.Sprintf("%d.%d", os.Getpid(), i), Verdict: "GO"}
		if i%8 == 3 {
			r.Control = strings.Repeat("x", 3<<19)
		}
		if err := s.Put(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		fmt.Println("kept", r.Candidate)
	}
}
