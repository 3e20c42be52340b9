package replica_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

func verify(t testing.TB, store blob.Store) *replica.Verification {
	t.Helper()
	v, err := replica.Verify(t.Context(), store, "n", nil)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// stored makes a directory store with five versions in two segments, a pin and
// an orphan.
func stored(t testing.TB) (*world, *blob.Dir) {
	t.Helper()
	dir, err := blob.CreateDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, dir, 2)
	w.grow(3)
	w.fields = wider
	w.grow(2)
	pin(t.Context(), t, dir, w.versions[3])
	pin(t.Context(), t, dir, dataset.None)
	return w, dir
}

func TestVerify(t *testing.T) {
	w, dir := stored(t)
	if v := verify(t, dir); len(v.Problems)+len(v.Orphans) > 0 || v.Versions != len(w.versions) || v.Blobs == 0 || v.Bytes == 0 {
		t.Errorf("%+v", v)
	}
	orphan := []byte("left behind")
	key := blob.BlobKey("n", w.last()+1, dataset.DigestOf(orphan))
	if err := dir.Put(t.Context(), key, orphan); err != nil {
		t.Fatal(err)
	}
	if v := verify(t, dir); len(v.Problems) > 0 || len(v.Orphans) != 1 || "n/"+v.Orphans[0] != key {
		t.Errorf("with an orphan: %+v", v)
	}
	if v := verify(t, restored(t, dir)); len(v.Problems) > 0 {
		t.Errorf("a copy without links: %+v", v)
	}
}

// damage is what can happen to a file.
var damages = map[string]func(path string) error{
	"flipped": func(path string) error { return change(path, func(b []byte) []byte { b[len(b)/2] ^= 1; return b }) },
	"emptied": func(path string) error { return change(path, func([]byte) []byte { return nil }) },
	"removed": os.Remove,
}

// change puts another file in the place of one, so that hard links keep theirs.
func change(path string, f func([]byte) []byte) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	return os.WriteFile(path, f(bytes.Clone(b)), 0o600)
}

// harmless says which damage is none: names that are gone are made again,
// Java's readers pass over white space in announced.version, and nothing refers
// to the last entry of a log yet.
func harmless(name, damage string) bool {
	switch {
	case strings.HasPrefix(name, "."):
		return true
	case name == "log/00000000000000000006.json":
		return damage != "emptied"
	case strings.Contains(name, "/"):
		return false
	}
	return damage == "removed" || name == "announced.version" && damage != "emptied"
}

// TestVerifyFindsDamage does everything to every file.
func TestVerifyFindsDamage(t *testing.T) {
	_, dir := stored(t)
	folder := dir.Path("n")
	kinds := map[string]bool{}
	err := filepath.WalkDir(folder, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		kind, _, _ := strings.Cut(name, "-")
		kinds[filepath.Dir(kind)+" "+strings.TrimRight(filepath.Base(kind), "0123456789.json")] = true
		good, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for damage, do := range damages {
			if err := do(path); err != nil {
				return err
			}
			v, err := replica.Verify(t.Context(), dir, "n", nil)
			if err != nil {
				t.Errorf("%s %s: error %v, want a problem", name, damage, err)
			} else if len(v.Problems) == 0 && !harmless(filepath.ToSlash(name), damage) {
				t.Errorf("%s %s: no problem was found", name, damage)
			}
			os.Remove(path)
			if err := os.WriteFile(path, good, 0o600); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(kinds) < 8 {
		t.Errorf("only %v were damaged", kinds)
	}
	if v := verify(t, dir); len(v.Problems) > 0 {
		t.Errorf("all is as it was: %q", v.Problems)
	}
}

// TestVerifyFindsForeignNames finds files that a Java consumer would take for
// versions.
func TestVerifyFindsForeignNames(t *testing.T) {
	w, dir := stored(t)
	good, err := os.ReadFile(filepath.Join(dir.Path("n"), "snapshot-"+w.versions[0].String()))
	if err != nil {
		t.Fatal(err)
	}
	first, last := w.versions[0].String(), w.last().String()
	for name, content := range map[string][]byte{
		"snapshot-" + (w.last() + 1).String():      good,
		"snapshot-" + (w.versions[0] - 2).String(): good,
		"delta-" + first + "-" + last:              good,
		"reversedelta-" + last + "-" + first:       good,
		"header-" + (w.versions[0] - 1).String():   good,
		"announced.version":                        []byte((w.last() + 1).String()),
	} {
		path := filepath.Join(dir.Path("n"), name)
		before, readErr := os.ReadFile(path)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		v := verify(t, dir)
		if len(v.Problems) != 1 || !strings.Contains(v.Problems[0], name) {
			t.Errorf("%s: problems %q", name, v.Problems)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		if readErr == nil {
			if err := os.WriteFile(path, before, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestVerifyLateSnapshot knows a snapshot that was announced after its version.
func TestVerifyLateSnapshot(t *testing.T) {
	w, dir := stored(t)
	r := open(dir, nil)
	points, err := r.History(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	p := points[1] // it has none, and the one before has
	if p.Manifest.Snapshot != nil {
		t.Fatal("there is a snapshot already")
	}
	put := func(data []byte) {
		ref := blob.RefOf(data)
		if err := dir.Put(t.Context(), blob.BlobKey("n", p.Manifest.Version, ref.Digest), data); err != nil {
			t.Fatal(err)
		}
		s := announce.Snapshot{Version: p.Manifest.Version, Manifest: p.Digest, Blob: ref}
		fold, err := announce.Open(dir, "n").Snapshot(t.Context(), announce.Author{Name: "test"}, s)
		if err == nil {
			err = announce.Project(t.Context(), dir, "n", fold)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	put(encoded(t, r, p.Manifest.Version))
	if v := verify(t, dir); len(v.Problems)+len(v.Orphans) > 0 {
		t.Errorf("%+v", v)
	}
	put(encoded(t, r, w.last()))
	if v := verify(t, dir); len(v.Problems) != 1 {
		t.Errorf("the late snapshot is of another version: %+v", v)
	}
}

// TestVerifyGolden verifies the folders of a Java producer.
func TestVerifyGolden(t *testing.T) {
	for _, c := range golden.Cases(t) {
		f, err := replica.OpenFolder(c.Extract(t))
		if err != nil {
			t.Fatal(err)
		}
		v, err := f.Verify(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if len(v.Problems)+len(v.Orphans) > 0 || v.Versions < len(c.Index.Versions) || v.Blobs != len(f.Snapshots)+len(f.Steps) {
			t.Errorf("%s: %d versions, %+v", c.Name, len(c.Index.Versions), v)
		}
	}
}

// TestVerifyFolderOrder reaches versions by any path, in any order.
func TestVerifyFolderOrder(t *testing.T) {
	_, dir := stored(t)
	f, err := replica.OpenFolder(dir.Path("n"))
	if err != nil {
		t.Fatal(err)
	}
	for len(f.Snapshots) > 2 { // leave the newest of each segment
		f.Snapshots = f.Snapshots[1:]
	}
	if v, err := f.Verify(t.Context()); err != nil || len(v.Problems)+len(v.Orphans) > 0 {
		t.Errorf("%+v, error %v", v, err)
	}
}
