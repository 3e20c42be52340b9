//go:build java

package java

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// TestThousandVersions has a Java consumer with Hollow's own watcher follow a
// thousand versions while they are announced, and pins among them; then another
// one goes to each of them in turn, by deltas alone.
func TestThousandVersions(t *testing.T) {
	const count = 1000
	peer := Start(t)
	store, err := blob.CreateDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	m, err := protomap.Compile(t.Context(), "n.proto", func(path string) ([]byte, error) {
		if path != "n.proto" {
			return nil, fs.ErrNotExist
		}
		return []byte(`syntax = "proto3"; import "holdfast/v1/options.proto";
message N { option (holdfast.v1.dataset) = {key: ["id"]}; string id = 1; int64 v = 2; repeated string tags = 3; }`), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	who := announce.Author{Name: "test"}
	c, err := cycle.Open(t.Context(), cycle.Config{
		Dataset: "n", Store: store, Mapping: m, Author: who, SnapshotEvery: 100, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	w := &walk{t: t, c: c, m: m, dir: store, sums: map[dataset.Version]string{}}
	w.publish()
	folder, until := store.Path("n"), filepath.Join(t.TempDir(), "until")
	live := make(chan []Summary, 1)
	go func() {
		defer close(live) // nobody waits for a follower that failed
		out, err := peer.Try("follow", folder, until)
		if err != nil {
			t.Error(err)
			return
		}
		live <- parse(t, out)
	}()
	for n := 1; n < count; n++ {
		w.publish()
		switch n % 100 {
		case 50: // back by reverse deltas
			w.project(c.Log().Pin(t.Context(), who, w.versions[n-7]))
		case 55:
			w.project(c.Log().Unpin(t.Context(), who))
		}
	}
	last := w.versions[count-1]
	temp := until + ".temp" // the follower reads the file as soon as it is there
	if err := errors.Join(os.WriteFile(temp, []byte(last.String()), 0o600), os.Rename(temp, until)); err != nil {
		t.Fatal(err)
	}
	seen := map[dataset.Version]bool{}
	for _, at := range <-live {
		if want := w.sums[at.Version]; fmt.Sprint(at.Checksum) != want {
			t.Errorf("Java followed to %s with checksum %v, want %s", at.Version, at.Checksum, want)
		}
		seen[at.Version] = true
	}
	if !seen[last] {
		t.Errorf("Java did not come to %s", last)
	}
	t.Logf("%d of %d versions were seen on the way", len(seen), count)
	for _, at := range peer.Consume(t, folder, w.stood...) {
		if want := w.sums[at.Version]; fmt.Sprint(at.Checksum) != want {
			t.Errorf("Java at %s has checksum %v, want %s", at.Version, at.Checksum, want)
		}
	}
}

// walk publishes versions and remembers where consumers were to stand.
type walk struct {
	t        *testing.T
	c        *cycle.Cycle
	m        *protomap.Mapping
	dir      *blob.Dir
	versions []dataset.Version
	stood    []dataset.Version // effective versions, in order
	sums     map[dataset.Version]string
}

func (w *walk) publish() {
	w.t.Helper()
	n := len(w.versions)
	r, err := w.c.Run(w.t.Context(), dataset.Lineage{}, func(sink protomap.Sink) error {
		for i := range 20 {
			if (i+n)%11 == 0 {
				continue
			}
			msg, err := w.m.ParseJSON(fmt.Appendf(nil, `{"id":"r%d","v":"%d","tags":["t%d","t%d"]}`, i, max(0, n-i), i%3, n%5))
			if err != nil {
				return err
			}
			if _, err := w.m.Add(sink, msg); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || !r.Published {
		w.t.Fatalf("version %d: %+v, error %v", n, r, err)
	}
	w.versions = append(w.versions, r.Version)
	w.sums[r.Version] = fmt.Sprint(checksum(w.c.Base().State))
	f, err := w.c.Log().Refresh(w.t.Context())
	w.stand(f, err)
}

// project does what the commands do after a pin.
func (w *walk) project(f announce.Fold, err error) {
	w.t.Helper()
	if err == nil {
		err = announce.Project(w.t.Context(), w.dir, "n", f)
	}
	w.stand(f, err)
}

func (w *walk) stand(f announce.Fold, err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
	if v, _ := f.Effective(); len(w.stood) == 0 || w.stood[len(w.stood)-1] != v {
		w.stood = append(w.stood, v)
	}
}
