package kill

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestOwnEnd: a sidecar that ends by itself is a problem.
func TestOwnEnd(t *testing.T) {
	f := &fight{Config: Config{Binary: "false"}}
	if err := f.serve(t.Context()); err == nil {
		t.Error("no error")
	}
}

// TestShortLife: a sidecar that was killed before it could say anything is no
// problem, however busy the machine is.
func TestShortLife(t *testing.T) {
	silent := filepath.Join(t.TempDir(), "silent")
	if err := os.WriteFile(silent, []byte("#!/bin/sh\nexec sleep 60\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, life := range []time.Duration{0, 20 * time.Millisecond} {
		f := &fight{Config: Config{Binary: silent}}
		ctx, cancel := context.WithTimeout(t.Context(), life)
		if err := f.serve(ctx); err != nil {
			t.Errorf("after %s: %v, want no error", life, err)
		}
		cancel()
	}
}
