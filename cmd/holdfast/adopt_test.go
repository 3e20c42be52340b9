package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// TestAdoptCommand takes what the Java library wrote over, from the dataset's own
// folder and from another one, and goes on from there.
func TestAdoptCommand(t *testing.T) {
	g := golden.Load(t, "21-object-mapper")
	last := g.Index.Versions[len(g.Index.Versions)-1].Version
	for _, own := range []bool{true, false} {
		dir := t.TempDir()
		store, folder := filepath.Join(dir, "store"), filepath.Join(dir, "java")
		adopt := []string{"adopt", "movies", "--store", store, "--reason", "moved from Java", "--name", "ada", "-o", "json"}
		if own {
			folder = filepath.Join(store, "movies")
		} else {
			adopt = append(adopt, "--from", folder, "--root", "Movie", "--key", "id,country.code")
		}
		if err := os.CopyFS(folder, os.DirFS(g.Extract(t))); err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(folder, "announced.version"), last.String())
		schema, file := write(t, filepath.Join(dir, "item.proto"), itemSchema), write(t, filepath.Join(dir, "items"), `{"id":"x","v":1}`)
		publish := []string{"publish", "--store", store, "--schema", schema, "movies", file, "--breaking", "--max-removed", "1"}
		if own { // two would write into one folder
			if text, err := command(t, publish...); !errors.Is(err, announce.ErrForeign) {
				t.Errorf("publish before: %s, error %v", text, err)
			}
		}

		text, err := command(t, adopt...)
		var r cycle.Result
		if err != nil || json.Unmarshal([]byte(text), &r) != nil || r.Version != last || !r.Published || r.Records == 0 {
			t.Fatalf("adopt: %s, error %v, want version %s", text, err, last)
		}
		for _, c := range []struct{ command, want string }{
			{"versions movies", last.String()},
			{"verify " + store, "movies: ok: 1 version,"},
			{"export movies", "{"},
		} {
			args := strings.Fields(c.command)
			if args[0] != "verify" {
				args = append(args, "--store", store)
			}
			if got, err := command(t, args...); err != nil || !strings.Contains(got, c.want) {
				t.Errorf("%s: %.500s, error %v, want %s", c.command, got, err, c.want)
			}
		}
		entry, err := os.ReadFile(filepath.Join(store, "movies", "log", "00000000000000000000.json"))
		if err != nil || !strings.Contains(string(entry), `"who":"ada"`) || !strings.Contains(string(entry), `"why":"moved from Java"`) {
			t.Errorf("the log says %s, error %v", entry, err)
		}
		if text, err := command(t, adopt...); !errors.Is(err, cycle.ErrNothingToAdopt) {
			t.Errorf("adopt again: %s, error %v", text, err)
		}
		if text, err := command(t, publish...); err != nil || !strings.Contains(text, "1 record,") {
			t.Errorf("publish: %s, error %v", text, err)
		}
		if got, err := command(t, "verify", store); err != nil || !strings.Contains(got, "movies: ok: 2 versions") {
			t.Errorf("verify: %s, error %v", got, err)
		}
	}
}
