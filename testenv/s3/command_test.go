package s3

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// buildHoldfast builds the command into a folder and returns its path.
func buildHoldfast(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "holdfast")
	c := exec.CommandContext(ctx, "go", "build", "-C", "../..", "-o", path, "./cmd/holdfast")
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build holdfast: %w\n%s", err, out)
	}
	return path, nil
}

// command runs holdfast and returns what it prints.
func command(t *testing.T, args ...string) (string, error) {
	t.Helper()
	c := exec.CommandContext(t.Context(), holdfast, args...)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	err := c.Run()
	if strings.Contains(errs.String()+out.String(), secretKey) {
		t.Errorf("holdfast %s shows the secret key: %s", args[0], &errs)
	}
	if err != nil {
		return out.String(), fmt.Errorf("holdfast %s: %w: %s%s", strings.Join(args, " "), err, &errs, &out)
	}
	return out.String(), nil
}

func must(t *testing.T, args ...string) string {
	t.Helper()
	out, err := command(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const itemSchema = `syntax = "proto3"; import "holdfast/v1/options.proto";
message Item { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; int32 v = 2; }`

// TestTwoProducers has processes publish other content into one bucket at once,
// and then reads, pins, prunes and verifies what is there.
func TestTwoProducers(t *testing.T) {
	const producers, rounds = 2, 6
	s := Start(t, binary)
	dir, store := t.TempDir(), s.URL(prefix(t), s.Address())
	schema := write(t, filepath.Join(dir, "item.proto"), itemSchema)
	var mu sync.Mutex
	published := map[string]string{} // the id that only this version has
	var all sync.WaitGroup
	for p := range producers {
		all.Go(func() {
			for round := range rounds {
				id := fmt.Sprintf("p%dr%d", p, round)
				file := write(t, filepath.Join(dir, id), fmt.Sprintf(`{"id":%q,"v":%d}`, id, round))
				out, err := command(t, "publish", "--store", store, "--schema", schema, "--max-removed", "1",
					"--snapshot-every", "3", "-o", "json", "items", file)
				var r struct {
					Version   string
					Published bool
				}
				if err == nil {
					err = json.Unmarshal([]byte(out), &r)
				}
				mu.Lock()
				if err != nil || !r.Published || published[r.Version] != "" {
					t.Errorf("%s: %+v, which %q has; error %v", id, r, published[r.Version], err)
				}
				published[r.Version] = id
				mu.Unlock()
			}
		})
	}
	all.Wait()
	must(t, "verify", store)
	versions := list(t, store)
	if len(versions) != producers*rounds || len(published) != len(versions) {
		t.Fatalf("%d versions, %d were published, want %d", len(versions), len(published), producers*rounds)
	}
	for _, v := range versions {
		must(t, "get", "items@"+v, "--store", store, published[v])
	}
	pinned := versions[len(versions)-4]
	must(t, "pin", "items@"+pinned, "--store", store, "--reason", "test")
	must(t, "get", "items", "--store", store, published[pinned])
	dry := must(t, "prune", "items", "--store", store, "--keep", "1", "--keep-for", "0s", "--dry-run", "-o", "json")
	if got := list(t, store); len(got) != len(versions) {
		t.Fatalf("a dry run left %d versions", len(got))
	}
	done := must(t, "prune", "items", "--store", store, "--keep", "1", "--keep-for", "0s", "-o", "json")
	if strings.Replace(dry, `"dry_run":true`, `"dry_run":false`, 1) != done {
		t.Errorf("the dry run said %s, the run %s", dry, done)
	}
	must(t, "verify", store)
	must(t, "get", "items", "--store", store, published[pinned])
	if _, err := command(t, "get", "items@"+versions[0], "--store", store, published[versions[0]]); err == nil || !strings.Contains(err.Error(), "pruned") {
		t.Errorf("a pruned version: %v", err)
	}
	must(t, "unpin", "items", "--store", store, "--reason", "test")
	must(t, "get", "items", "--store", store, published[slices.Max(versions)])
}

// list returns the versions of items, oldest first.
func list(t *testing.T, store string) []string {
	t.Helper()
	var versions []struct{ Version string }
	if err := json.Unmarshal([]byte(must(t, "versions", "items", "--store", store, "-o", "json")), &versions); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, v := range versions {
		out = append(out, v.Version)
	}
	return out
}
