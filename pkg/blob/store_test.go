package blob_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

func newDir(t *testing.T) *blob.Dir {
	t.Helper()
	d, err := blob.CreateDir(filepath.Join(t.TempDir(), "deep", "store"))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestConformance(t *testing.T) {
	t.Run("Memory", func(t *testing.T) {
		blobtest.Run(t, func(*testing.T) blob.Store { return blob.NewMemory() })
	})
	t.Run("Dir", func(t *testing.T) {
		blobtest.Run(t, func(t *testing.T) blob.Store { return newDir(t) })
	})
	t.Run("Faulty", func(t *testing.T) {
		blobtest.Run(t, func(*testing.T) blob.Store {
			return blobtest.NewFaulty(blob.NewMemory(), func(blobtest.Op) blobtest.Fault { return blobtest.None })
		})
	})
}

// Every writer opens the folder by itself, as processes do.
func TestDirRaceOfInstances(t *testing.T) {
	root := newDir(t).Root()
	blobtest.RunRace(t, func() blob.Store {
		d, err := blob.OpenDir(root)
		if err != nil {
			t.Error(err)
		}
		return d
	})
	temps, err := os.ReadDir(filepath.Join(root, ".holdfast-tmp"))
	if err != nil || len(temps) != 0 {
		t.Errorf("temporary files %v, %v; want none", temps, err)
	}
}

func TestDirFiles(t *testing.T) {
	d := newDir(t)
	if err := d.Put(t.Context(), "a/blobs/1-x", []byte("x")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(d.Path("a/blobs/1-x"))
	if err != nil || info.Mode().Perm()&0o222 != 0 {
		t.Errorf("blob has mode %v, %v; want nobody to write", info.Mode(), err)
	}
	if want := filepath.Join(d.Root(), "a", "blobs", "1-x"); d.Path("a/blobs/1-x") != want {
		t.Errorf("Path = %s, want %s", d.Path("a/blobs/1-x"), want)
	}
}

func TestOpenDirRefuses(t *testing.T) {
	root := t.TempDir()
	file := filepath.Join(root, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := blob.OpenDir(filepath.Join(root, "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("OpenDir of nothing = %v, want ErrNotExist", err)
	}
	if _, err := blob.OpenDir(file); err == nil || !strings.Contains(err.Error(), "not a directory") {
		t.Errorf("OpenDir of a file = %v, want: not a directory", err)
	}
	if _, err := blob.CreateDir(file); !errors.Is(err, syscall.ENOTDIR) {
		t.Errorf("CreateDir of a file = %v, want ENOTDIR", err)
	}
	// A file where the folder of temporary files belongs cannot be written
	// past, by root neither.
	if err := os.WriteFile(filepath.Join(root, ".holdfast-tmp"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := blob.CreateDir(root); err == nil {
		t.Error("CreateDir of an unwritable folder = nil")
	}
	d, err := blob.OpenDir(root)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Put(t.Context(), "k", nil); !errors.Is(err, blob.ErrNotWritten) {
		t.Errorf("Put = %v, want ErrNotWritten", err)
	}
}

func TestDatasets(t *testing.T) {
	dir := newDir(t)
	for _, store := range []blob.Store{blob.NewMemory(), dir} {
		for _, key := range []string{blob.LogKey("zoo", 0), blob.LogKey("aac", 0), blob.BlobKey("nolog", 1, dataset.DigestOf(nil)), "Bad-Name/log/0", "file"} {
			if err := store.Put(t.Context(), key, nil); err != nil {
				t.Fatal(err)
			}
		}
		got, err := blob.Datasets(t.Context(), store)
		if want := []dataset.Name{"aac", "zoo"}; err != nil || !slices.Equal(got, want) {
			t.Errorf("Datasets of %T = %v, %v; want %v", store, got, err, want)
		}
	}
}

func TestGetChecks(t *testing.T) {
	store := blob.NewMemory()
	data := []byte("content")
	if err := store.Put(t.Context(), "k", data); err != nil {
		t.Fatal(err)
	}
	if got, err := blob.Get(t.Context(), store, "k", blob.RefOf(data)); err != nil || !bytes.Equal(got, data) {
		t.Errorf("Get = %q, %v", got, err)
	}
	for _, want := range []blob.Ref{blob.RefOf([]byte("contenT")), {Digest: dataset.DigestOf(data), Size: 6}} {
		if _, err := blob.Get(t.Context(), store, "k", want); !errors.Is(err, blob.ErrDigest) {
			t.Errorf("Get with %+v = %v, want ErrDigest", want, err)
		}
	}
	if _, err := blob.Get(t.Context(), store, "none", blob.Ref{}); !errors.Is(err, blob.ErrNotFound) {
		t.Errorf("Get of nothing = %v, want ErrNotFound", err)
	}
}

func TestKeys(t *testing.T) {
	d := dataset.DigestOf(nil)
	for got, want := range map[string]string{
		blob.BlobKey("usage", 20260102150405000, d):     "usage/blobs/20260102150405000-" + d.String(),
		blob.ManifestKey("usage", 20260102150405000, d): "usage/versions/20260102150405000-" + d.String() + ".json",
		blob.SchemaKey("usage", d):                      "usage/schemas/" + d.String(),
		blob.LogKey("usage", 17):                        "usage/log/00000000000000000017.json",
	} {
		if got != want {
			t.Errorf("key %s, want %s", got, want)
		}
	}
}
