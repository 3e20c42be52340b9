package fuzzing_test

import (
	"fmt"
	"testing"

	"github.com/holdfast-data/holdfast/internal/fuzzing"
)

// told notes what a test would fail with.
type told struct {
	testing.TB
	text string
}

func (t *told) Helper() {}

func (t *told) Errorf(format string, args ...any) { t.text = fmt.Sprintf(format, args...) }

var kept []byte // escapes, so that it is allocated

func TestLimit(t *testing.T) {
	limit := fuzzing.Limit{Fixed: 1 << 20, PerByte: 1000}
	within, beyond := &told{TB: t}, &told{TB: t}
	limit.Check(within, "text", 1000, func() { kept = make([]byte, 1<<20) })
	limit.Check(beyond, "text", 1000, func() { kept = make([]byte, 3<<20) })
	if within.text != "" || beyond.text == "" {
		t.Errorf("1 MiB: %q; 3 MiB: %q, want a failure", within.text, beyond.text)
	}
}
