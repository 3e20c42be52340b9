package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

const itemSchema = `syntax = "proto3"; import "holdfast/v1/options.proto";
message Item { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; int32 v = 2; }`

// process runs the command in a process of its own.
func process(t testing.TB, args ...string) (stdout []byte, err error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "holdfast", args...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		return out.Bytes(), fmt.Errorf("holdfast %s: %w: %s%s", strings.Join(args, " "), err, &errs, &out)
	}
	return out.Bytes(), nil
}

func write(t testing.TB, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestFight has processes publish other content into one folder at once.
func TestFight(t *testing.T) {
	const processes, rounds = 4, 5
	dir := t.TempDir()
	store := filepath.Join(dir, "store") // made by whoever comes first
	schema := write(t, filepath.Join(dir, "item.proto"), itemSchema)
	type result struct {
		Version, Previous string
		Published         bool
	}
	var mu sync.Mutex
	published := map[string]string{} // the id that only this version has
	var all sync.WaitGroup
	for p := range processes {
		all.Go(func() {
			for round := range rounds {
				id := fmt.Sprintf("p%dr%d", p, round)
				file := write(t, filepath.Join(dir, id), fmt.Sprintf(`{"id":%q,"v":%d}`, id, round))
				out, err := process(t, "publish", "--store", store, "--schema", schema, "--max-removed", "1",
					"--snapshot-every", fmt.Sprint(1+p), "-o", "json", "items", file)
				var r result
				if err == nil {
					err = json.Unmarshal(out, &r)
				}
				if err != nil {
					t.Error(err)
					return
				}
				if !r.Published {
					t.Errorf("%s was not published: %+v", id, r)
				}
				mu.Lock()
				if other, twice := published[r.Version]; twice {
					t.Errorf("version %s was published with %s and with %s", r.Version, other, id)
				}
				published[r.Version] = id
				mu.Unlock()
			}
		})
	}
	all.Wait()
	if out, err := process(t, "verify", store); err != nil {
		t.Errorf("verify: %v: %s", err, out)
	}
	out, err := process(t, "versions", "items", "--store", store, "-o", "json")
	if err != nil {
		t.Fatal(err)
	}
	var versions []struct{ Version, Previous string }
	if err := json.Unmarshal(out, &versions); err != nil {
		t.Fatal(err)
	}
	if len(versions) != processes*rounds || len(published) != len(versions) {
		t.Fatalf("%d versions, %d were published, want %d", len(versions), len(published), processes*rounds)
	}
	previous := ""
	for i, v := range versions {
		if v.Previous != previous || published[v.Version] == "" {
			t.Errorf("version %s follows %q, the one before is %q; published with %q", v.Version, v.Previous, previous, published[v.Version])
		}
		previous = v.Version
		if i%4 > 0 {
			continue // a process for each takes its time
		}
		if _, err := process(t, "get", "items@"+v.Version, "--store", store, published[v.Version]); err != nil {
			t.Error(err)
		}
	}
	announced, err := os.ReadFile(filepath.Join(store, "items", "announced.version"))
	if err != nil || string(announced) != previous {
		t.Errorf("announced.version is %q, the newest version %s, error %v", announced, previous, err)
	}
}
