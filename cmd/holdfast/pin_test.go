package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPinAcrossBreaking moves consumers over a schema that breaks readers, and over
// one that only adds: pin and unpin warn of the former.
func TestPinAcrossBreaking(t *testing.T) {
	dir := t.TempDir()
	store := filepath.Join(dir, "store")
	command := func(args ...string) (out, said string) {
		t.Helper()
		var o, e bytes.Buffer
		c := newRoot()
		c.SetArgs(append(args, "--store", store))
		c.SetOut(&o)
		c.SetErr(&e)
		if err := c.ExecuteContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		return o.String(), e.String()
	}
	for i, fields := range []string{"float w = 2;", "float w = 2; bool b = 3;", "double w = 2; bool b = 3;"} {
		schema, records := filepath.Join(dir, "n.proto"), filepath.Join(dir, "n.jsonl")
		text := `syntax = "proto3"; import "holdfast/v1/options.proto";
			message N { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; ` + fields + ` }`
		for name, content := range map[string]string{schema: text, records: `{"id":"x","w":` + []string{"1", "2", "3"}[i] + `}`} {
			if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		command("publish", "--schema", schema, "--breaking", "n", records)
	}
	var versions []struct{ Version string }
	out, _ := command("versions", "n", "-o", "json")
	if err := json.Unmarshal([]byte(out), &versions); err != nil || len(versions) != 3 {
		t.Fatalf("versions %s, error %v", out, err)
	}
	for _, move := range []struct {
		command, target string
		warns           bool
	}{
		{"pin", "n@" + versions[1].Version, true},
		{"pin", "n@" + versions[0].Version, false},
		{"pin", "n@" + versions[0].Version, false},
		{"pin", "n@" + versions[1].Version, false},
		{"unpin", "n", true},
	} {
		_, said := command(move.command, move.target, "--reason", "test")
		if warned := strings.Contains(said, "warning: ") && strings.Contains(said, "field w of N is double, it was float"); warned != move.warns || !warned && said != "" {
			t.Errorf("%s %s says %q, want a warning: %v", move.command, move.target, said, move.warns)
		}
	}
}
