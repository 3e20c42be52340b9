package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestRunReloads changes the configuration of a sidecar that runs, which warns
// of names that are not in the store.
func TestRunReloads(t *testing.T) {
	dir := t.TempDir()
	store, socket, config := filepath.Join(dir, "store"), filepath.Join(dir, "s"), filepath.Join(dir, "c.yaml")
	schema, file := write(t, filepath.Join(dir, "item.proto"), itemSchema), write(t, filepath.Join(dir, "items"), `{"id":"x","v":1}`)
	for _, n := range []string{"items", "others"} {
		if _, err := process(t, "publish", "--store", store, "--schema", schema, n, file); err != nil {
			t.Fatal(err)
		}
	}
	declaration := func(names ...string) string {
		text := "listen: \"\"\nadmin: \"\"\nsocket: " + socket + "\ndatasets:\n"
		for _, n := range names {
			text += fmt.Sprintf("  - {name: %s, store: %s, required: false}\n", n, store)
		}
		return text
	}
	declare := func(names ...string) { write(t, config, declaration(names...)) }
	declare("items", "otters")
	c := exec.CommandContext(t.Context(), "holdfast", "run", "--config", config)
	errs, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(errs)
	until := func(words string) {
		t.Helper()
		var seen []string
		for lines.Scan() {
			if strings.Contains(lines.Text(), words) {
				return
			}
			if strings.Contains(lines.Text(), "restart to change it") {
				t.Errorf("only datasets have changed, but it logs %s", lines.Text())
			}
			seen = append(seen, lines.Text())
		}
		t.Fatalf("it never said %q:\n%s", words, strings.Join(seen, "\n"))
	}
	hangUp := func() {
		t.Helper()
		if err := c.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	until("dataset is not in its store")
	if !strings.Contains(lines.Text(), "dataset=otters") || !strings.Contains(lines.Text(), "did_you_mean=others") {
		t.Errorf("it warns %s", lines.Text())
	}
	served := func(name string, want bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); ; { // it may load still
			out, err := process(t, "get", name, "x", "--address", "unix:"+socket)
			if (err == nil) == want {
				return
			}
			if !want || time.Now().After(deadline) {
				t.Fatalf("get %s: %s, error %v; want it served: %v", name, out, err, want)
			}
		}
	}
	served("items", true)
	served("others", false)

	declare("others")
	hangUp()
	until("declarations are reloaded")
	served("others", true)
	served("items", false)

	declare("others", "nothingofthatkind")
	hangUp()
	until(`store_has="items, others"`)

	write(t, config, strings.Replace(declaration("others"), "store: "+store, "store: "+filepath.Join(store, "others"), 1))
	hangUp()
	until("is the folder of one dataset: the store is the folder around it, " + store)

	declare("others, leave_out: [Item.id]") // its key
	hangUp()
	until("declarations are reloaded")
	for deadline := time.Now().Add(time.Minute); ; {
		out, err := process(t, "status", "--address", "unix:"+socket)
		says := string(out)
		if strings.Contains(says, " ready ") && strings.Contains(says, "the newest declaration is not served: ") && strings.Contains(says, "the key must not be left out") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the status is %s, error %v", out, err)
		}
	}
	served("others", true)

	if err := os.WriteFile(config, []byte("dataset: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	hangUp()
	until("declarations are not reloaded")
	served("others", true)

	if err := c.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	for lines.Scan() {
		continue // to its end
	}
	if err := c.Wait(); err != nil {
		t.Errorf("it ended with %v", err)
	}
}
