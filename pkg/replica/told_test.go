package replica_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// listening is a replica whose log is heard.
type listening struct {
	*replica.Replica
	t    *testing.T
	said bytes.Buffer
}

func listen(t *testing.T, store blob.Store) *listening {
	l := &listening{t: t}
	l.Replica = open(store, func(cfg *replica.Config) { cfg.Logger = slog.New(slog.NewTextHandler(&l.said, nil)) })
	return l
}

// look refreshes twice and expects one line with some text, none if that is empty.
func (l *listening) look(want string) {
	l.t.Helper()
	for range 2 {
		if err := l.Refresh(l.t.Context()); err != nil {
			l.t.Fatal(err)
		}
	}
	if got := strings.Count(l.said.String(), "\n"); want == "" && got != 0 || want != "" && (got != 1 || !strings.Contains(l.said.String(), want)) {
		l.t.Errorf("logged is %q, want %q once", l.said.String(), want)
	}
	l.said.Reset()
}

// TestPinIsLogged: an operator sees in the log once that a replica is held, and once
// that it is no longer.
func TestPinIsLogged(t *testing.T) {
	store := blob.NewMemory()
	w := newWorld(t, store, 7)
	w.grow(3)
	look := listen(t, store).look
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

// TestSchemaIsLogged: an operator sees in the log that the schema is another one, and
// whether readers misread it; also after a pin.
func TestSchemaIsLogged(t *testing.T) {
	store := blob.NewMemory()
	w := newWorld(t, store, 7)
	w.grow(1)
	look := listen(t, store).look
	look("")
	w.fields = wider
	w.grow(1)
	look(`level=INFO msg="the schema has more than before" dataset=n version=` + w.last().String())
	w.grow(1)
	look("")
	w.fields = retyped
	w.grow(1)
	look("level=WARN msg=\"the schema is another one: who reads with the one before misreads records, without an error\" dataset=n version=" +
		w.last().String() + ` breaks="[field note of N is gone`)
}

// TestStatusCounts says when the version was made, and how many looks failed; that
// there is no version yet is no failure.
func TestStatusCounts(t *testing.T) {
	w := newWorld(t, blob.NewMemory(), 7)
	fails := false
	r := open(blobtest.NewFaulty(w.store, func(blobtest.Op) blobtest.Fault {
		if fails {
			return blobtest.Fail
		}
		return blobtest.None
	}), nil)
	_ = r.Refresh(t.Context())
	w.grow(1)
	for _, fails = range []bool{false, true, true, false} {
		if err := r.Refresh(t.Context()); (err != nil) != fails {
			t.Fatal(err)
		}
	}
	if s := r.Status(); s.Failures != 2 || !s.Created.Equal(r.Current().Manifest.Created) || s.Created.IsZero() {
		t.Errorf("%d looks failed, the version is of %v; want 2, %v", s.Failures, s.Created, r.Current().Manifest.Created)
	}
}

// TestFirstViewIsConfirmed: whoever sees the first view sees, too, that the store has
// confirmed it, before the look ends that brought it.
func TestFirstViewIsConfirmed(t *testing.T) {
	w := newWorld(t, blob.NewMemory(), 7)
	w.grow(1)
	var r *replica.Replica
	asked := false
	r = open(w.store, func(cfg *replica.Config) {
		cfg.Confirmed = func(announce.Hint) {
			asked = true
			if s := r.Status(); s.State != replica.StateReady || s.Age < 0 || s.Announced != w.last() {
				t.Errorf("it is %s, of age %v, %v is announced", s.State, s.Age, s.Announced)
			}
		}
	})
	if err := r.Refresh(t.Context()); err != nil || !asked {
		t.Errorf("error %v, asked %v", err, asked)
	}
}
