package replica

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state/diff"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

// TestForeign follows the golden histories as a Java producer announces them,
// there and back, and compares each state with a dump of the real library.
func TestForeign(t *testing.T) {
	followed := 0
	for _, c := range golden.Cases(t) {
		if c.Name == "17-optional-parts" {
			continue // its dumps are of states with parts, which are not loaded
		}
		dir := c.Extract(t)
		versions := c.Index.Versions
		first, err := (&Folder{Path: dir, Snapshots: []dataset.Version{versions[0].Version}}).load(versions[0].Version, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := diff.RootType(first); err != nil {
			continue // its owner has to declare root and key
		}
		t.Run(c.Name, func(t *testing.T) {
			cfg := DefaultConfig()
			cfg.Dataset, cfg.Folder = "foreign", dir
			r := Open(cfg)
			os.Remove(filepath.Join(dir, announcedFile))
			if err := r.Refresh(t.Context()); !errors.Is(err, ErrEmpty) {
				t.Fatalf("nothing announced: error %v, want ErrEmpty", err)
			}
			for i := range 2*len(versions) - 1 {
				v := versions[min(i, 2*len(versions)-2-i)].Version
				announceForeign(t, dir, v.String())
				if err := r.Refresh(t.Context()); err != nil {
					t.Fatalf("refresh to %s: %v", v, err)
				}
				if got := r.Current().Version(); got != v {
					t.Fatalf("at version %s, announced is %s", got, v)
				}
				if !isExpected(t, c, r.Current()) {
					t.Errorf("at version %s the state is none that the real library had", v)
				}
				followed++
			}
		})
	}
	if followed < 50 {
		t.Errorf("only %d versions were followed", followed)
	}
}

func announceForeign(t *testing.T, dir, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, announcedFile), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// isExpected says whether some check of the case has the view's version and
// dump: a state may depend on the path to it.
func isExpected(t *testing.T, c golden.Case, v *View) bool {
	t.Helper()
	var got bytes.Buffer
	if err := v.State.Dump(&got, v.Version().String()); err != nil {
		t.Fatal(err)
	}
	for _, check := range c.Index.Checks {
		if check.Version == v.Version() && check.Filter == "" && len(check.Parts) == 0 &&
			bytes.Equal(golden.WithoutDecimals(c.Expected(check.Expected)), got.Bytes()) {
			return true
		}
	}
	return false
}

// TestForeignPipe does not wait for somebody to write into a pipe where a blob
// is expected, nor reads a sparse file for ever: it says so, and goes round it if
// it can.
func TestForeignPipe(t *testing.T) {
	c := golden.Load(t, "21-object-mapper")
	last := c.Index.Versions[len(c.Index.Versions)-1].Version
	name := "snapshot-" + last.String()
	for what, c := range map[string]struct {
		put  func(path string) error
		want error
	}{
		"pipe": {func(path string) error { return syscall.Mkfifo(path, 0o600) }, blob.ErrNotRegular},
		"sparse": {func(path string) error {
			return errors.Join(os.WriteFile(path, nil, 0o600), os.Truncate(path, 1<<43)) // no machine has that memory
		}, blob.ErrTooLarge},
	} {
		alone := t.TempDir()
		if err := c.put(filepath.Join(alone, name)); err != nil {
			t.Skip("the file system knows no sparse files of that size:", err)
		}
		announceForeign(t, alone, last.String())
		cfg := DefaultConfig()
		cfg.Dataset, cfg.Folder = "foreign", alone
		r := Open(cfg)
		if err := r.Refresh(t.Context()); !errors.Is(err, c.want) || r.Status().Error == "" {
			t.Errorf("%s: %v, want %v; status %+v", what, err, c.want, r.Status())
		}
		folder, err := OpenFolder(alone)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := folder.Verify(t.Context()); err != nil || len(v.Problems) != 1 || !strings.Contains(v.Problems[0], name) {
			t.Errorf("%s: Verify = %+v, %v", what, v, err)
		}
	}
	dir := c.Extract(t)
	if err := errors.Join(os.Remove(filepath.Join(dir, name)), syscall.Mkfifo(filepath.Join(dir, name), 0o600)); err != nil {
		t.Fatal(err)
	}
	announceForeign(t, dir, last.String())
	cfg := DefaultConfig()
	cfg.Dataset, cfg.Folder = "foreign", dir
	r := Open(cfg)
	if err := r.Refresh(t.Context()); err != nil || r.Current().Version() != last {
		t.Errorf("beside an older snapshot and deltas: %v", err)
	}
}

// TestForeignRefuses keeps the last good version whatever the folder says.
func TestForeignRefuses(t *testing.T) {
	c := golden.Load(t, "21-object-mapper")
	dir := c.Extract(t)
	last := c.Index.Versions[len(c.Index.Versions)-1].Version
	cfg := DefaultConfig()
	cfg.Dataset, cfg.Folder = "foreign", dir
	r := Open(cfg)
	announceForeign(t, dir, last.String()+"\n")
	if err := r.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"", "x", "-1", " 1", last.String() + "9", "99999999999999999"} {
		announceForeign(t, dir, text)
		if err := r.Refresh(t.Context()); err == nil {
			t.Errorf("announced %q: no error", text)
		}
		if r.Current().Version() != last || r.Status().State != StateStale {
			t.Errorf("announced %q: at %s, state %s", text, r.Current().Version(), r.Status().State)
		}
	}
	announceForeign(t, dir, last.String())
	if err := r.Refresh(t.Context()); err != nil || r.Status().State != StateReady {
		t.Errorf("announced %s again: error %v, state %s", last, err, r.Status().State)
	}
}

// TestForeignMemory loads no snapshot that does not fit into memory.
func TestForeignMemory(t *testing.T) {
	c := golden.Cases(t)[0]
	cfg := DefaultConfig()
	cfg.Dataset, cfg.Folder = "foreign", c.Extract(t)
	announceForeign(t, cfg.Folder, c.Index.Versions[0].Version.String())
	runtime.GC()                            // what is live is what a collection has found
	before := debug.SetMemoryLimit(1 << 20) // less than any process takes
	defer debug.SetMemoryLimit(before)
	if err := Open(cfg).Refresh(t.Context()); !errors.Is(err, ErrMemory) {
		t.Errorf("Refresh = %v, want ErrMemory", err)
	}
}
