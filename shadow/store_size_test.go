package shadow

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/y"
)

// TestLargerThanTheyCanBe refuses files with holes that no program wrote, which would be read
// for days.
func TestLargerThanTheyCanBe(t *testing.T) {
	for _, file := range []string{badger.KeyRegistryFileName, badger.ManifestFilename, "DISCARD", "000001.sst", "00001.mem", "000001.vlog"} {
		t.Run(file, func(t *testing.T) {
			dir := t.TempDir()
			s := putRuns(t, dir, 2)
			path := filepath.Join(dir, file)
			f := must(os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600))(t)
			if err := errors.Join(f.Truncate(1<<40), f.Close()); err != nil {
				t.Skip("the file system has no such large files:", err)
			}
			all, err := s.All(t.Context())
			var damaged *DamagedError
			if !errors.As(err, &damaged) || damaged.Path != path {
				t.Errorf("%d runs, error %v, want a DamagedError of %s", len(all), err, path)
			}
			if info := must(os.Stat(path))(t); info.Size() != 1<<40 {
				t.Errorf("it has %d bytes now", info.Size())
			}
		})
	}
}

// TestDamagedLogs has what Badger alone looks at, and refuses in words of its own.
func TestDamagedLogs(t *testing.T) {
	for name, c := range map[string]struct {
		file   string
		change func(string) string
	}{
		"values of another key": {"*.vlog", func(string) string { return strings.Repeat("\x01", 40) }},
		"values with no number": {"x.vlog", func(string) string { return strings.Repeat("\x00", 40) }},
		"values twice":          {"1.vlog", func(string) string { return strings.Repeat("\x00", 40) }},
		"log of another key":    {"00009.mem", func(string) string { return strings.Repeat("\x01", 40) }},
		"log with no number":    {"x.mem", func(string) string { return strings.Repeat("\x00", 40) }},
		"discards cut":          {"DISCARD", func(string) string { return "xx" }},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := putRuns(t, dir, 2)
			path := filepath.Join(dir, c.file)
			if found := must(filepath.Glob(path))(t); len(found) > 0 {
				path = found[len(found)-1]
			}
			if err := os.WriteFile(path, []byte(c.change("")), 0o600); err != nil {
				t.Fatal(err)
			}
			all, err := s.All(t.Context())
			var damaged *DamagedError
			if !errors.As(err, &damaged) {
				t.Errorf("%s: %d runs, error %v, want a DamagedError", path, len(all), err)
			}
		})
	}
}

// TestRefusalIsNoDamage tells what the file system refuses from a damage, also where
// Badger has kept the words alone.
func TestRefusalIsNoDamage(t *testing.T) {
	for _, c := range []struct {
		err  error
		want bool
	}{
		{&fs.PathError{Op: "open", Path: "x", Err: syscall.EMFILE}, false},
		{y.Wrapf(&fs.PathError{Op: "open", Path: "x", Err: syscall.EMFILE}, "while opening file"), false},
		{y.Wrapf(y.Wrapf(&fs.PathError{Op: "open", Path: "x", Err: syscall.EACCES}, "Open existing file"), "During db.vlog.open"), false},
		{y.Wrapf(&fs.PathError{Op: "truncate", Path: "x", Err: syscall.ENOSPC}, "while truncating"), false},
		{y.Wrapf(&fs.PathError{Op: "open", Path: "x", Err: syscall.ENOENT}, "while opening file"), true},
		{y.Wrapf(badger.ErrInvalidDataKeyID, "Error for the KEY ID %d", 7), true},
		{errNotWritten, true},
	} {
		got := damaged("p", c.err)
		var d *DamagedError
		if errors.As(got, &d) != c.want || got == nil {
			t.Errorf("of %v: %v, want a DamagedError: %v", c.err, got, c.want)
		}
	}
}
