package replica_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// TestPinIsLogged: an operator sees in the log once that a replica is held, and once
// that it is no longer.
func TestPinIsLogged(t *testing.T) {
	store := blob.NewMemory()
	w := newWorld(t, store, 7)
	w.grow(3)
	var said bytes.Buffer
	r := open(store, func(cfg *replica.Config) { cfg.Logger = slog.New(slog.NewTextHandler(&said, nil)) })
	look := func(want string) {
		t.Helper()
		for range 2 {
			if err := r.Refresh(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		if got := strings.Count(said.String(), "\n"); want == "" && got != 0 || want != "" && (got != 1 || !strings.Contains(said.String(), want)) {
			t.Errorf("logged is %q, want %q once", said.String(), want)
		}
		said.Reset()
	}
	look("")
	pin(t.Context(), t, store, w.versions[1])
	look(`msg="held at a version by a pin" dataset=n version=` + w.versions[1].String() + " newest=" + w.last().String())
	w.grow(1)
	look("")
	if _, err := announce.Open(store, "n").Unpin(t.Context(), announce.Author{Name: "test"}); err != nil {
		t.Fatal(err)
	}
	look(`msg="no longer held by a pin" dataset=n version=` + w.last().String())
}
