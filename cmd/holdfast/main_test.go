package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"

	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/testenv/featuregate"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == superviseName { // for replays within this process
		os.Exit(run())
	}
	testscript.Main(leakless{m}, map[string]func(){
		"holdfast":              func() { os.Exit(run()) },
		"featuregate-prod":      func() { logic.Main(featuregate.Logic(nil, featuregate.Prod).Run) },
		"featuregate-candidate": func() { logic.Main(featuregate.Logic(nil, featuregate.Candidate).Run) },
	})
}

// leakless wants no goroutine to outlive the tests.
type leakless struct{ *testing.M }

// Run implements testscript.TestingM.
func (l leakless) Run() (code int) {
	goleak.VerifyTestMain(l.M, goleak.Cleanup(func(c int) { code = c }))
	return code
}

// TestScripts runs the commands as a person does; see testdata. Besides
// testscript's own commands there are
//
//	code N COMMAND…   the exit code of a command is N
//	until COMMAND…    a command ends well within a minute, however often tried
//	save NAME REGEXP  puts what the group of a match on standard output has into
//	                  a variable
//
// $ESCAPE is what colours a terminal, $NEWLINE a text of two lines.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata", Cmds: map[string]func(*testscript.TestScript, bool, []string){
		"code": code, "until": until, "save": save,
	}, Setup: func(e *testscript.Env) error {
		e.Setenv("ESCAPE", "\x1b[31m")
		e.Setenv("NEWLINE", "x\ny")
		return nil
	}})
}

func code(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND…")
	}
	got := "0"
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); errors.As(err, &exit) {
		got = strconv.Itoa(exit.ExitCode())
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != args[0] {
		ts.Fatalf("exit code %s, want %s", got, args[0])
	}
}

func until(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: until COMMAND…")
	}
	deadline := time.Now().Add(time.Minute)
	for ts.Exec(args[0], args[1:]...) != nil {
		if time.Now().After(deadline) {
			ts.Fatalf("it never ended well")
		}
		<-time.After(20 * time.Millisecond) // the other side is a process
	}
}

func save(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: save NAME REGEXP")
	}
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) != 2 {
		ts.Fatalf("no match with one group for %s", args[1])
	}
	ts.Setenv(args[0], m[1])
}

// TestPin pins the first of two versions, which a script cannot name.
func TestPin(t *testing.T) {
	store := t.TempDir()
	hold := func(args ...string) string {
		t.Helper()
		var out bytes.Buffer
		c := newRoot()
		c.SetArgs(append(args, "--store", store))
		c.SetOut(&out)
		c.SetErr(io.Discard)
		if err := c.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	schema := write("n.proto", `syntax = "proto3"; import "holdfast/v1/options.proto";
		message N { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; int32 v = 2; }`)
	hold("publish", "--schema", schema, "n", write("1.jsonl", `{"id":"x","v":1}`))
	hold("publish", "--schema", schema, "n", write("2.jsonl", `{"id":"x","v":2}`))
	var versions []struct{ Version string }
	if err := json.Unmarshal([]byte(hold("versions", "n", "-o", "json")), &versions); err != nil {
		t.Fatal(err)
	}
	hold("pin", "n@"+versions[0].Version, "--reason", "test")
	if got := hold("get", "n", "x", "-o", "json"); got != `{"id":"x","v":1}`+"\n" {
		t.Errorf("pinned to the first version, got %s", got)
	}
	var list []struct{ Version, Announced string }
	if err := json.Unmarshal([]byte(hold("ls", "-o", "json")), &list); err != nil || len(list) != 1 ||
		list[0].Version != versions[0].Version || list[0].Announced != versions[1].Version {
		t.Errorf("pinned to the first version, ls says %+v, error %v", list, err)
	}
	announced, err := os.ReadFile(filepath.Join(store, "n", "announced.version"))
	if err != nil || string(announced) != versions[0].Version {
		t.Errorf("announced.version says %q (error %v), the pin is at %s", announced, err, versions[0].Version)
	}
	first := versions[0].Version
	for _, c := range []struct{ command, want string }{
		{"ls", first + " (pinned)"}, {"status", first + " (pinned)"}, {"versions n", first + " (pinned)"}, {"versions n --lineage", first + " (pinned)"},
		{"ls -o json", `"pinned":"` + first + `"`}, {"versions n -o json", `"pinned":true`},
	} {
		if got := hold(strings.Fields(c.command)...); strings.Count(got, c.want) != 1 {
			t.Errorf("%s: %s, want %s once", c.command, got, c.want)
		}
	}
	hold("unpin", "n", "--reason", "test")
	for _, c := range []string{"ls", "status", "versions n", "ls -o json", "versions n -o json"} {
		if got := hold(strings.Fields(c)...); strings.Contains(got, "pinned") {
			t.Errorf("%s: %s, there is no pin any more", c, got)
		}
	}
	log := hold("ls", "-o", "json")
	if got := hold("unpin", "n", "--reason", "test"); !strings.Contains(got, "n: there was no pin") || hold("ls", "-o", "json") != log {
		t.Errorf("unpinned again: %s", got)
	}
	if got := hold("get", "n", "x", "-o", "json"); got != `{"id":"x","v":2}`+"\n" {
		t.Errorf("unpinned, got %s", got)
	}
}
