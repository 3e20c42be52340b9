package faults

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// truth knows what was announced, by looking at what is really there.
type truth struct {
	memory    *blob.Memory
	fold      announce.Fold
	announced map[dataset.Digest]int64   // manifest → the number that it says
	effective map[dataset.Digest][]int64 // manifest → positions after which consumers were to stand at it
	versions  []dataset.Version
	said      []int64         // numbers in order of announcement
	acked     []int64         // numbers of acknowledged publishes
	seen      [sidecars]int64 // the position that a sidecar's last read is of
	manifests map[dataset.Version]dataset.Digest
	entries   map[dataset.Digest][]int64 // manifest → positions of its announcements
}

func newTruth(memory *blob.Memory) truth {
	return truth{memory: memory, fold: announce.Empty(), announced: map[dataset.Digest]int64{}, effective: map[dataset.Digest][]int64{}, manifests: map[dataset.Version]dataset.Digest{}, entries: map[dataset.Digest][]int64{}}
}

// look reads what is new in the log.
func (t *truth) look(ctx context.Context) error {
	for {
		data, err := t.memory.Get(ctx, blob.LogKey(items, t.fold.Position+1))
		if errors.Is(err, blob.ErrNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		e, err := announce.DecodeEntry(data)
		if err != nil {
			return err
		}
		next, counts := t.fold.Apply(e)
		if a, ok := e.Body.(announce.Announcement); ok && counts {
			if err := t.announce(ctx, a); err != nil {
				return err
			}
			t.entries[a.Manifest] = append(t.entries[a.Manifest], next.Position)
		}
		t.fold = next
		_, d := next.Effective()
		t.effective[d] = append(t.effective[d], next.Position)
	}
}

func (t *truth) announce(ctx context.Context, a announce.Announcement) error {
	m, err := blob.GetManifest(ctx, t.memory, items, a.Version, a.Manifest)
	if err != nil {
		return fmt.Errorf("announced, but not there: %w", err)
	}
	var n int64
	if _, err := fmt.Sscan(m.Lineage.Producer, &n); err != nil {
		return fmt.Errorf("lineage of %s: %w", a.Version, err)
	}
	t.announced[a.Manifest], t.manifests[a.Version] = n, a.Manifest
	t.said = append(t.said, n)
	t.versions = append(t.versions, a.Version)
	return nil
}

// says says whether the head says n, as somebody was told.
func (t *truth) says(n int64) error {
	if now := t.announced[t.fold.Manifest]; now != n {
		return fmt.Errorf("%d was acknowledged, the head says %d", n, now)
	}
	return nil
}

func (t *truth) acknowledged(n int64) error {
	t.acked = append(t.acked, n)
	return t.says(n)
}

// recent returns one of the last versions.
func (t *truth) recent(random *rand.Rand) dataset.Version {
	if len(t.versions) == 0 {
		return dataset.None
	}
	return t.versions[len(t.versions)-1-random.IntN(min(len(t.versions), 6))]
}

// forget begins anew with a sidecar.
func (t *truth) forget(i int) { t.seen[i] = 0 }

// read judges what a sidecar serves after a refresh that ended with err.
func (t *truth) read(i int, r *replica.Replica, err error) error {
	view := r.Current()
	if view == nil {
		if err == nil {
			return fmt.Errorf("sidecar %d serves nothing and says no error", i)
		}
		return nil
	}
	n, ok := t.announced[view.ManifestDigest]
	if !ok {
		return fmt.Errorf("sidecar %d serves %s, which was not announced", i, view.Version())
	}
	if err := whole(view, n); err != nil {
		return fmt.Errorf("sidecar %d, version %s: %w", i, view.Version(), err)
	}
	if _, d := t.fold.Effective(); err == nil && d != view.ManifestDigest {
		return fmt.Errorf("sidecar %d says that it is fresh, and is at %s", i, view.Version())
	}
	status := r.Status()
	if (err == nil) != (status.State == replica.StateReady) {
		return fmt.Errorf("sidecar %d is %s after error %w", i, status.State, err)
	}
	return t.advance(i, view.Version(), view.ManifestDigest)
}

// advance says whether sidecar i, which is at d, went back in the log.
func (t *truth) advance(i int, v dataset.Version, d dataset.Digest) error {
	positions := t.effective[d]
	at := slices.IndexFunc(positions, func(p int64) bool { return p >= t.seen[i] })
	held := len(positions) > 0 && t.until(d, t.seen[i])
	if at < 0 && !held {
		return fmt.Errorf("sidecar %d went back to %s", i, v)
	}
	if at >= 0 {
		t.seen[i] = positions[at]
	}
	return nil
}

// until says whether consumers were to stand at d at position p.
func (t *truth) until(d dataset.Digest, p int64) bool { return slices.Contains(t.effective[d], p) }

// whole says whether a view has all records of the version that says n, and no
// others.
func whole(view *replica.View, n int64) error {
	if view.Root().Len() != records {
		return fmt.Errorf("%d records", view.Root().Len())
	}
	for o := range view.Root().Ordinals() {
		text, err := view.JSON(view.Root().Record(o))
		if err != nil {
			return err
		}
		var record struct {
			N int64 `json:"n,string"`
		}
		if err := json.Unmarshal(text, &record); err != nil || record.N != n {
			return fmt.Errorf("%s in the version that says %d", text, n)
		}
	}
	if sum, err := view.State.Checksum(); err != nil || sum != view.Manifest.Checksum {
		return fmt.Errorf("checksum %s is not the manifest's, error %w", sum, err)
	}
	return nil
}

// once says whether each acknowledged publish was announced. A number may be
// announced again after another one; one publish, twice in a row, may not.
func (t *truth) once() error {
	for i, n := range t.said {
		if i > 0 && t.said[i-1] == n {
			return fmt.Errorf("%d was announced twice in a row", n)
		}
	}
	for _, n := range t.acked {
		if !slices.Contains(t.said, n) {
			return fmt.Errorf("%d was acknowledged and is lost", n)
		}
	}
	return nil
}
