package main

import (
	"bufio"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// TestRunHangsUpEarly sends SIGHUP to a sidecar while it waits for its store to
// answer for the first time: it starts, and reads its configuration again.
func TestRunHangsUpEarly(t *testing.T) {
	started := make(chan *os.Process, 1)
	var once sync.Once
	bucket := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		once.Do(func() {
			if err := (<-started).Signal(syscall.SIGHUP); err != nil {
				t.Error(err)
			}
		})
		if !r.URL.Query().Has("list-type") {
			http.NotFound(w, r) // it has nothing
			return
		}
		fmt.Fprint(w, `<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>`)
	}))
	defer bucket.Close()
	store := "s3://bucket?region=x&use_path_style=true&endpoint=" + bucket.URL
	c := exec.CommandContext(t.Context(), "holdfast", "run", "--store", store, "--listen", "", "--admin", "", "--socket", filepath.Join(t.TempDir(), "s"))
	c.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID=x", "AWS_SECRET_ACCESS_KEY=y")
	errs, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	started <- c.Process
	var seen []string
	reloaded := false
	for lines := bufio.NewScanner(errs); lines.Scan(); {
		seen = append(seen, lines.Text())
		if strings.Contains(lines.Text(), "declarations are reloaded") {
			reloaded = true
			if err := c.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := c.Wait(); err != nil || !reloaded {
		t.Errorf("it ended with %v, reloaded %v:\n%s", err, reloaded, strings.Join(seen, "\n"))
	}
}
