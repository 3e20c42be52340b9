package blob_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// TestNotRegular gives what lies under a key and is no file a typed error,
// without waiting for it.
func TestNotRegular(t *testing.T) {
	dir := newDir(t)
	if err := os.MkdirAll(dir.Path("n/log"), 0o755); err != nil {
		t.Fatal(err)
	}
	pipe, nowhere, folder := blob.LogKey("n", 0), blob.LogKey("n", 1), blob.LogKey("n", 2)
	err := errors.Join(
		syscall.Mkfifo(dir.Path(pipe), 0o644),
		os.Symlink("nowhere", dir.Path(nowhere)),
		os.Mkdir(dir.Path(folder), 0o755),
	)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{pipe, nowhere, folder} {
		if err := dir.Put(t.Context(), key, nil); !errors.Is(err, blob.ErrNotRegular) || !errors.Is(err, blob.ErrNotWritten) {
			t.Errorf("Put(%s) = %v, want ErrNotRegular and ErrNotWritten", key, err)
		}
	}
	if _, err := dir.Get(t.Context(), pipe); !errors.Is(err, blob.ErrNotRegular) {
		t.Errorf("Get of a pipe = %v, want ErrNotRegular", err)
	}
	if _, err := dir.Stat(t.Context(), pipe); !errors.Is(err, blob.ErrNotRegular) {
		t.Errorf("Stat of a pipe = %v, want ErrNotRegular", err)
	}
}

// TestLargeFile reads nothing of a file that cannot be ours.
func TestLargeFile(t *testing.T) {
	dir := newDir(t)
	d := dataset.DigestOf(nil)
	for _, key := range []string{blob.LogKey("n", 0), blob.ManifestKey("n", 1, d), blob.SchemaKey("n", d), blob.BlobKey("n", 1, d)} {
		path := dir.Path(key)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(path, 1<<40); err != nil {
			t.Skip("the file system knows no sparse files of that size:", err)
		}
	}
	for _, key := range []string{blob.LogKey("n", 0), blob.ManifestKey("n", 1, d), blob.SchemaKey("n", d)} {
		if _, err := dir.Get(t.Context(), key); !errors.Is(err, blob.ErrTooLarge) {
			t.Errorf("Get(%s) = %v, want ErrTooLarge", key, err)
		}
	}
	if _, err := blob.Get(t.Context(), dir, blob.BlobKey("n", 1, d), blob.RefOf(nil)); !errors.Is(err, blob.ErrDigest) {
		t.Errorf("Get of a blob of another size = %v, want ErrDigest", err)
	}
	if _, err := blob.GetManifest(t.Context(), dir, "n", 1, d); !errors.Is(err, blob.ErrTooLarge) {
		t.Errorf("GetManifest = %v, want ErrTooLarge", err)
	}
	if _, err := blob.ReadFile(dir.Path(blob.BlobKey("n", 1, d)), 100); !errors.Is(err, blob.ErrTooLarge) {
		t.Errorf("ReadFile = %v, want ErrTooLarge", err)
	}
	if err := os.Truncate(dir.Path(blob.BlobKey("n", 1, d)), 1<<43); err != nil {
		t.Skip("the file system knows no sparse files of that size:", err)
	}
	huge := blob.Ref{Digest: d, Size: 1 << 43} // no machine has that memory
	if _, err := blob.Get(t.Context(), dir, blob.BlobKey("n", 1, d), huge); !errors.Is(err, blob.ErrTooLarge) {
		t.Errorf("Get of a sparse blob = %v, want ErrTooLarge", err)
	}
}

// TestDatasetsWithoutABeginning lists a dataset whose log has lost entry 0.
func TestDatasetsWithoutABeginning(t *testing.T) {
	dir := newDir(t)
	for _, store := range []blob.Store{blob.NewMemory(), dir} {
		for _, key := range []string{blob.LogKey("n", 3), "other/log/notes.txt"} {
			if err := store.Put(t.Context(), key, nil); err != nil {
				t.Fatal(err)
			}
		}
		if got, err := blob.Datasets(t.Context(), store); err != nil || len(got) != 1 || got[0] != "n" {
			t.Errorf("Datasets of %T = %v, %v; want n", store, got, err)
		}
	}
}
