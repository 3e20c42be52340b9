package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"holdfast": func() { os.Exit(run()) }})
}

// TestScripts runs the commands as a person does; see testdata.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata"})
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
	announced, err := os.ReadFile(filepath.Join(store, "n", "announced.version"))
	if err != nil || string(announced) != versions[0].Version {
		t.Errorf("announced.version says %q (error %v), the pin is at %s", announced, err, versions[0].Version)
	}
	hold("unpin", "n", "--reason", "test")
	if got := hold("get", "n", "x", "-o", "json"); got != `{"id":"x","v":2}`+"\n" {
		t.Errorf("unpinned, got %s", got)
	}
}
