package replica_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// TestVerifyAnnounced finds an announced.version that names what no entry announced, also
// below the horizon, and knows those that were pruned.
func TestVerifyAnnounced(t *testing.T) {
	w, dir := stored(t)
	path := filepath.Join(dir.Path("n"), "announced.version")
	put := func(text string) []string {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return verify(t, dir).Problems
	}
	good := w.last().String()
	for _, pruned := range []bool{false, true} {
		if pruned {
			prune(t, dir, 1)
		}
		for _, text := range []string{good[:len(good)/2], "1", (w.last() - 1).String(), (w.versions[0] - 1).String()} {
			if v, err := dataset.ParseVersion(text); err != nil || v == w.versions[len(w.versions)-2] {
				continue // which was announced
			}
			if found := put(text); len(found) != 1 || !strings.Contains(found[0], text+" was not announced") {
				t.Errorf("%s, pruned: %v: problems %q", text, pruned, found)
			}
		}
		for _, v := range w.versions {
			if found := put(v.String()); len(found) > 0 {
				t.Errorf("%s, pruned: %v: problems %q", v, pruned, found)
			}
		}
	}
}
