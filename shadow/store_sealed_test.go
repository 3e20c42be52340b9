package shadow

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/dgraph-io/badger/v4"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/compare"
)

// large is a report that Badger keeps apart, and reads without a checksum.
var large = &compare.Report{Candidate: "large", Reasons: []string{strings.Repeat("47799 records ", 100_000)}}

// TestDamagedValue notices what was changed in a report of any size.
func TestDamagedValue(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"a digit": func(s string) string { return strings.Replace(s, "47799", "57799", 1) },
		"cut":     func(s string) string { return s[:700_000] },
	} {
		dir := t.TempDir()
		s := putRuns(t, dir, 1)
		for _, r := range []*compare.Report{large, {Candidate: "a"}, {Candidate: "b"}} { // Badger looks at its last log by itself
			if err := s.Put(t.Context(), r); err != nil {
				t.Fatal(err)
			}
		}
		logs := must(filepath.Glob(filepath.Join(dir, "*.vlog")))(t)
		damaged := 0
		for _, path := range logs {
			b := string(must(os.ReadFile(path))(t))
			if !strings.Contains(b, "47799") {
				continue
			}
			damaged++
			if err := os.WriteFile(path, []byte(change(b)), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		all, err := s.All(t.Context())
		var d *DamagedError
		if damaged != 1 || !errors.As(err, &d) {
			t.Errorf("%s, in %d of %q: %d runs, %v, want a DamagedError", name, damaged, logs, len(all), err)
		}
	}
}

// TestReportOfBefore reads a report that was kept without a digest.
func TestReportOfBefore(t *testing.T) {
	s := putRuns(t, t.TempDir(), 1)
	b := must(json.Marshal(&compare.Report{Candidate: "before"}))(t)
	err := s.use(t.Context(), len(b), func(db *badger.DB) error {
		return db.Update(func(tx *badger.Txn) error { return tx.Set([]byte(runPrefix+"before"), b) })
	})
	if err != nil {
		t.Fatal(err)
	}
	if all, err := s.All(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("%d runs, %v, want 2", len(all), err)
	}
}

// TestTooLarge refuses what Badger would refuse with a dump of it.
func TestTooLarge(t *testing.T) {
	s := putRuns(t, t.TempDir(), 1)
	r := &compare.Report{Reasons: []string{strings.Repeat("x", maxReport)}}
	if err := s.Put(t.Context(), r); !errors.Is(err, ErrTooLarge) || len(err.Error()) > 200 {
		t.Errorf("Put = %.300v, want ErrTooLarge", err)
	}
	r.Reasons[0] = r.Reasons[0][:maxReport-10_000]
	if err := s.Put(t.Context(), r); err != nil {
		t.Errorf("what is just small enough: %.300v", err)
	}
	if all, err := s.All(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("%d runs, %v, want 2", len(all), err)
	}
}

// TestPipe does not wait for what is no file.
func TestPipe(t *testing.T) {
	for _, file := range []string{"000009.sst", badger.ManifestFilename, badger.KeyRegistryFileName, "DISCARD", "000001.vlog", "00001.mem"} {
		dir := t.TempDir()
		s := putRuns(t, dir, 1)
		path := filepath.Join(dir, file)
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			_, err := s.All(t.Context())
			done <- err
		}()
		select {
		case err := <-done:
			var d *DamagedError
			if !errors.As(err, &d) || d.Path != path || !errors.Is(err, blob.ErrNotRegular) {
				t.Errorf("%s: %v, want a DamagedError of it", file, err)
			}
		case <-time.After(time.Minute): // no wait of the store is as long
			t.Fatalf("%s: it waits for a pipe", file)
		}
	}
}
