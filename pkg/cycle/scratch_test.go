package cycle_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// lose deletes the keys that contain part, or damages them.
func lose(t *testing.T, store blob.Store, part string, damage bool) {
	t.Helper()
	infos, err := store.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	for _, info := range infos {
		if !strings.Contains(info.Key, part) {
			continue
		}
		data, err := store.Get(t.Context(), info.Key)
		if err == nil {
			err = store.Delete(t.Context(), info.Key)
		}
		if data[len(data)/2] ^= 1; err == nil && damage {
			err = store.Put(t.Context(), info.Key, data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestFromScratch goes on above a version that cannot be read any more.
func TestFromScratch(t *testing.T) {
	m := mapping(t, plain)
	for _, damage := range []bool{false, true} {
		for _, what := range []string{"versions/HEAD", "blobs/HEAD", "blobs/", "schemas/"} {
			store := blob.NewMemory()
			c := open(t.Context(), t, config(store, m, 10))
			run(t, c, lines(m, a1))
			head := run(t, c, lines(m, a1, b1)).Version
			lose(t, store, strings.Replace(what, "HEAD", head.String(), 1), damage)
			cfg := config(store, m, 10)
			if _, err := cycle.Open(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), "--from-scratch") {
				t.Fatalf("%s: Open = %v, want it to name --from-scratch", what, err)
			}
			cfg.FromScratch = true
			c = open(t.Context(), t, cfg)
			if what == "schemas/" && damage {
				lose(t, store, what, false) // as the error says
			}
			r := run(t, c, lines(m, a1, b1))
			if !r.Published || r.Previous != head || r.Records != 2 {
				t.Errorf("%s: %+v", what, r)
			}
			next := run(t, open(t.Context(), t, config(store, m, 10)), lines(m, a1))
			if next.Removed != 1 || next.Previous != r.Version {
				t.Errorf("%s: the next one: %+v", what, next)
			}
			f, err := announce.Open(store, "n").Refresh(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := replica.NewCatalog(store, "n").LoadAt(t.Context(), f, r.Version, nil); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestFromScratchNeedsALoss changes nothing if the newest version can be read,
// or if nothing is known.
func TestFromScratchNeedsALoss(t *testing.T) {
	m, store := mapping(t, plain), blob.NewMemory()
	cfg := config(store, m, 10)
	cfg.FromScratch = true
	run(t, open(t.Context(), t, cfg), lines(m, a1))
	if r := run(t, open(t.Context(), t, cfg), lines(m, a1)); r.Published {
		t.Errorf("%+v", r)
	}
}

// TestDamagedLog stops a producer whose log is not what it was.
func TestDamagedLog(t *testing.T) {
	m, store := mapping(t, plain), blob.NewMemory()
	for _, line := range []string{a1, a2, a1} {
		run(t, open(t.Context(), t, config(store, m, 10)), lines(m, line))
	}
	key := blob.LogKey("n", 1)
	data, err := store.Get(t.Context(), key)
	if err == nil {
		err = errors.Join(store.Delete(t.Context(), key), store.Put(t.Context(), key, bytes.Replace(data, []byte("test"), []byte("tost"), 1)))
	}
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(store, m, 10)
	if _, err := cycle.Open(t.Context(), cfg); !errors.Is(err, announce.ErrCorrupt) || !strings.Contains(err.Error(), "--accept-damaged-log") {
		t.Errorf("Open = %v, want ErrCorrupt", err)
	}
	cfg.AcceptDamagedLog = true
	if r := run(t, open(t.Context(), t, cfg), lines(m, a2)); !r.Published {
		t.Errorf("%+v", r)
	}
}
