package neutral_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/holdfast-data/holdfast/bench/neutral"
)

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "base.bin")
	w, err := neutral.Create(path, neutral.Base, 3)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"one", "", "three"}
	for _, text := range want {
		w.Frame(neutral.AppendBool(neutral.AppendDouble(neutral.AppendFloat(neutral.AppendText(nil, text), 1.5), -2.25), true))
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := neutral.Open(path, neutral.Base)
	if err != nil {
		t.Fatal(err)
	}
	if f.Kind != 3 || f.Count != len(want) {
		t.Errorf("kind %d, %d frames; want 3, %d", f.Kind, f.Count, len(want))
	}
	i := 0
	for frame := range f.Frames() {
		c := neutral.NewCursor(frame)
		if text, x, y, ok := string(c.Bytes()), c.Float(), c.Double(), c.Bool(); text != want[i] || x != 1.5 || y != -2.25 || !ok {
			t.Errorf("frame %d = %q %v %v %v", i, text, x, y, ok)
		}
		i++
	}
}

func TestOpenRefusesOtherFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "base.bin")
	w, err := neutral.Create(path, neutral.Changes, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := neutral.Open(path, neutral.Base); !errors.Is(err, neutral.ErrMalformed) {
		t.Errorf("Open of changes as a base: %v", err)
	}
	if err := os.WriteFile(path, []byte("NB01"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := neutral.Open(path, neutral.Base); !errors.Is(err, neutral.ErrMalformed) {
		t.Errorf("Open of a short file: %v", err)
	}
}
