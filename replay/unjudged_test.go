package replay

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/state/diff"
)

// TestUnjudged tells what makes one evaluation inconclusive from what stops a replay:
// a shadow goes on behind the former, and tries the latter again.
func TestUnjudged(t *testing.T) {
	for _, c := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("compare: %w", diff.ErrTooMany), "cannot be counted: compare: too many differences"},
		{fmt.Errorf("read: %w", blob.ErrNotFound), "a version is missing: read: "},
		{errors.New("out of reach"), ""},
	} {
		if got := unjudged(c.err); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("of %v: %q, want %q", c.err, got, c.want)
		}
	}
}
