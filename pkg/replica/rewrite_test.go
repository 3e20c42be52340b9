package replica

import (
	"testing"

	"github.com/holdfast-data/holdfast/pkg/state/statetest/golden"
)

func TestFolderRewrite(t *testing.T) {
	for _, c := range golden.Cases(t) {
		if c.Index.Mutated {
			continue
		}
		f, err := OpenFolder(c.Extract(t))
		if err != nil {
			t.Fatal(err)
		}
		v, err := f.Rewrite(t.Context())
		if err != nil || len(v.Problems) > 0 || v.Blobs == 0 {
			t.Errorf("%s: %d blobs, problems %v, error %v", c.Name, v.Blobs, v.Problems, err)
		}
	}
}
