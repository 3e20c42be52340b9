package shadow

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/dgraph-io/badger/v4"

	"github.com/holdfast-data/holdfast/pkg/compare"
)

// putRuns keeps n runs, each in a table of its own, and returns the store.
func putRuns(t *testing.T, dir string, n int) *Store {
	t.Helper()
	s, err := OpenStore(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := s.Put(t.Context(), &compare.Report{Candidate: fmt.Sprint(i)}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// contents returns the files of a folder.
func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	files, out := must(os.ReadDir(dir))(t), map[string]string{}
	for _, f := range files {
		out[f.Name()] = string(must(os.ReadFile(filepath.Join(dir, f.Name())))(t))
	}
	return out
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// TestDamaged names the damaged file and leaves all files as they are.
func TestDamaged(t *testing.T) {
	cut := func(n int) func(string) string { return func(s string) string { return s[:n] } }
	for name, c := range map[string]struct {
		file   string
		change func(string) string
	}{
		"table cut":             {"000001.sst", func(s string) string { return s[:len(s)/2] }},
		"table empty":           {"000002.sst", cut(0)},
		"table of 3 bytes":      {"000002.sst", cut(3)},
		"table of zeros":        {"000001.sst", func(s string) string { return strings.Repeat("\x00", len(s)) }},
		"table's index changed": {"000001.sst", func(s string) string { return flip(s, len(s)-40) }},
		"table's block changed": {"000002.sst", func(s string) string { return flip(s, 20) }},
		"keys cut":              {badger.KeyRegistryFileName, cut(20)},
		"manifest empty":        {badger.ManifestFilename, cut(0)},
		"manifest's begin":      {badger.ManifestFilename, cut(8)},
		"manifest of no tables": {badger.ManifestFilename, cut(16)},
		"manifest torn":         {badger.ManifestFilename, cut(20)},
		"manifest's last lost":  {badger.ManifestFilename, func(s string) string { return s[:len(s)-2] }},
		"manifest changed":      {badger.ManifestFilename, func(s string) string { return flip(s, len(s)-2) }},
		"manifest's magic":      {badger.ManifestFilename, func(s string) string { return flip(s, 0) }},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := putRuns(t, dir, 2)
			path := filepath.Join(dir, c.file)
			if err := os.WriteFile(path, []byte(c.change(string(must(os.ReadFile(path))(t)))), 0o600); err != nil {
				t.Fatal(err)
			}
			wantDamaged(t, s, dir, c.file)
		})
	}
	for _, file := range []string{"000001.sst", badger.ManifestFilename} {
		t.Run("no "+file, func(t *testing.T) {
			dir := t.TempDir()
			s := putRuns(t, dir, 2)
			if err := os.WriteFile(filepath.Join(dir, "00001.mem"), make([]byte, 20), 0o600); err != nil { // as if it was killed
				t.Fatal(err)
			}
			if err := os.Remove(filepath.Join(dir, file)); err != nil {
				t.Fatal(err)
			}
			wantDamaged(t, s, dir, file)
		})
	}
}

func wantDamaged(t *testing.T, s *Store, dir, file string) {
	t.Helper()
	before := contents(t, dir)
	all, err := s.All(t.Context())
	var damaged *DamagedError
	if !errors.As(err, &damaged) || damaged.Path != filepath.Join(dir, file) {
		t.Errorf("%d runs, error %v, want a DamagedError of %s", len(all), err, file)
	}
	if after := contents(t, dir); !maps.Equal(before, after) {
		t.Errorf("files %q became %q, or changed", slices.Sorted(maps.Keys(before)), slices.Sorted(maps.Keys(after)))
	}
}

func flip(s string, at int) string {
	b := []byte(s)
	b[at] ^= 0x55
	return string(b)
}

// TestKilled goes on after what a killed process leaves: a run in a log only, a
// manifest with a torn end, and a table that it does not name.
func TestKilled(t *testing.T) {
	from, dir := t.TempDir(), t.TempDir()
	err := putRuns(t, from, 1).use(t.Context(), 0, func(db *badger.DB) error {
		err := db.Update(func(tx *badger.Txn) error { return tx.Set([]byte(runPrefix+"x"), []byte("{}")) })
		for _, pattern := range []string{"*.sst", "*.mem", badger.ManifestFilename, badger.KeyRegistryFileName} {
			for _, name := range must(filepath.Glob(filepath.Join(from, pattern)))(t) {
				err = errors.Join(err, os.WriteFile(filepath.Join(dir, filepath.Base(name)), must(os.ReadFile(name))(t), 0o600))
			}
		}
		manifest := filepath.Join(dir, badger.ManifestFilename)
		return errors.Join(err,
			os.WriteFile(manifest, append(must(os.ReadFile(manifest))(t), 0, 0, 0), 0o600),
			os.WriteFile(filepath.Join(dir, "000007.sst"), []byte("torn"), 0o600))
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		all, err := (&Store{dir: dir, free: freeBytes}).All(t.Context())
		if err != nil || len(all) != 2 {
			t.Errorf("%d runs, error %v, want 2", len(all), err)
		}
	}
	if files := contents(t, dir); files["000007.sst.unnamed"] != "torn" {
		t.Errorf("the unnamed table was not kept: %q", slices.Sorted(maps.Keys(files)))
	}
}

// TestKilledEarly goes on after a process that was killed when it had made a file and not
// yet written to it.
func TestKilledEarly(t *testing.T) {
	for _, name := range []string{"00001" + logExt, "000002" + valuesExt} {
		dir := t.TempDir()
		s := putRuns(t, dir, 1)
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if all, err := s.All(t.Context()); err != nil || len(all) != 1 {
			t.Errorf("with an empty %s: %d runs, error %v, want 1", name, len(all), err)
		}
	}
}

// TestNoRoom refuses to open before anything is written, and goes on when there
// is room again.
func TestNoRoom(t *testing.T) {
	dir := t.TempDir()
	s := putRuns(t, dir, 2)
	size := uint64(len(contents(t, dir)["000001.sst"]) + len(contents(t, dir)["000002.sst"]))
	for _, free := range []uint64{0, 4 << 10, baseRoom + size - 1, baseRoom + size, math.MaxUint64} {
		s.free = func(string) (uint64, error) { return free, nil }
		before, fits := contents(t, dir), free >= baseRoom+size
		all, err := s.All(t.Context())
		if want := (&NoRoomError{Dir: dir, Free: free, Needed: baseRoom + size}); fits && (err != nil || len(all) != 2) || !fits && (err == nil || !strings.Contains(err.Error(), want.Error())) {
			t.Errorf("%d bytes free: %d runs, error %v", free, len(all), err)
		}
		if !fits && !maps.Equal(before, contents(t, dir)) {
			t.Errorf("%d bytes free: files changed", free)
		}
		var room *NoRoomError
		if err := s.Put(t.Context(), &compare.Report{Candidate: "0"}); errors.As(err, &room) == (free == math.MaxUint64) {
			t.Errorf("%d bytes free: put: error %v", free, err)
		}
	}
}

// TestRoom counts what is in a log, and not its holes.
func TestRoom(t *testing.T) {
	dir := t.TempDir()
	f := must(os.Create(filepath.Join(dir, "00001.mem")))(t)
	_, err := f.Write(make([]byte, 64<<10))
	if err := errors.Join(err, f.Truncate(16<<20), f.Sync(), f.Close()); err != nil {
		t.Fatal(err)
	}
	s := &Store{dir: dir, free: func(string) (uint64, error) { return 0, nil }}
	var room *NoRoomError
	if err := s.room(must(os.ReadDir(dir))(t), 0); !errors.As(err, &room) || room.Needed < baseRoom+64<<10 || room.Needed > baseRoom+1<<20 {
		t.Errorf("error %v, want about %d bytes", err, baseRoom+64<<10)
	}
}

// TestFull has a file system with a few KB free.
func TestFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skip("cannot mount a small file system:", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	runs := filepath.Join(dir, "runs")
	s := putRuns(t, runs, 2)
	filler := filepath.Join(dir, "filler")
	f := must(os.Create(filler))(t)
	for _, err := f.Write(make([]byte, 4096)); err == nil; {
		_, err = f.Write(make([]byte, 4096))
	}
	_ = f.Close()
	var room *NoRoomError
	if _, err := s.All(t.Context()); !errors.As(err, &room) {
		t.Errorf("full: error %v, want a NoRoomError", err)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if all, err := s.All(t.Context()); err != nil || len(all) != 2 {
		t.Errorf("room again: %d runs, error %v, want 2", len(all), err)
	}
}

// TestFault touches a page of a mapped file that is not there any more.
func TestFault(t *testing.T) {
	s := putRuns(t, t.TempDir(), 1)
	f := must(os.Create(filepath.Join(t.TempDir(), "file")))(t)
	defer func() { _ = f.Close() }()
	if err := f.Truncate(1 << 16); err != nil {
		t.Fatal(err)
	}
	b := must(syscall.Mmap(int(f.Fd()), 0, 1<<16, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED))(t)
	defer func() { _ = syscall.Munmap(b) }()
	if err := f.Truncate(0); err != nil {
		t.Fatal(err)
	}
	lock := must(s.lock(t.Context()))(t)
	defer func() { _ = lock.Close() }()
	if err := s.guard(lock, func() error { b[0] = 1; return nil }); !errors.Is(err, ErrFault) {
		t.Errorf("error %v, want that of a fault", err)
	}
	if _, err := s.All(t.Context()); !errors.Is(err, ErrFault) {
		t.Errorf("used after it: error %v, want that of the fault", err)
	}
}

// TestLock shuts out Badger itself, as programs do that open it without looking.
func TestLock(t *testing.T) {
	dir := t.TempDir()
	s := putRuns(t, dir, 1)
	err := s.use(t.Context(), 0, func(*badger.DB) error {
		if db, err := badger.Open(badger.DefaultOptions(dir).WithLogger(nil)); err == nil {
			t.Error("opened twice", db.Close())
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		return s.use(ctx, 0, func(*badger.DB) error { return nil })
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("waited for the lock: error %v, want %v", err, context.Canceled)
	}
}
