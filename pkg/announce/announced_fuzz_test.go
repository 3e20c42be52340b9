package announce_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-data/holdfast/internal/fuzzing"
	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
)

// FuzzAnnounced reads any bytes as announced.version and as what remembers the
// last projection: the version is ours, or another producer's.
func FuzzAnnounced(f *testing.F) {
	dir, err := blob.CreateDir(f.TempDir())
	if err != nil {
		f.Fatal(err)
	}
	folder := dir.Path(string(usage))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{"20250101000001001", "20250101000001001\r\n", " 7\n8", "-1", "9223372036854775808", ""} {
		f.Add([]byte(text), []byte(`{"position":3,"announced":"20250101000001001"}`))
	}
	f.Fuzz(func(t *testing.T, announced, projected []byte) {
		for name, b := range map[string][]byte{"announced.version": announced, ".projected": projected} {
			if err := os.WriteFile(filepath.Join(folder, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		var err error
		fuzzing.Limit{Fixed: 1 << 20, PerByte: 1000}.Check(t, "announced.version", len(announced)+len(projected), func() {
			err = announce.CheckForeign(t.Context(), dir, usage, announce.Empty())
		})
		if err != nil && !errors.Is(err, announce.ErrForeign) {
			t.Errorf("error %v is not ErrForeign", err)
		}
	})
}
