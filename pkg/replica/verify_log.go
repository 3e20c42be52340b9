package replica

import (
	"errors"
	"fmt"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// log reads the whole log and returns its last fold. An entry that cannot be is
// a problem; what the log says beyond it still counts, if it can be read.
func (w *verifier) log() (announce.Fold, error) {
	fold := announce.Empty()
	for e, err := range announce.Open(w.store, w.c.name).Entries(w.ctx) {
		if err != nil && !isDamage(err) {
			return fold, err
		}
		if err != nil {
			w.out.problem("log: %v", err)
			break
		}
		next, valid := e.Fold.Apply(e)
		if valid {
			w.entry(e)
		}
		fold = next
		w.read = next
	}
	if err := w.gaps(fold.Position); err != nil {
		return fold, err
	}
	if newest, err := announce.Open(w.store, w.c.name).Refresh(w.ctx); err == nil && len(w.out.Problems) > 0 && newest.Position > fold.Position {
		return newest, nil
	}
	return fold, w.ctx.Err()
}

func (w *verifier) entry(e announce.Entry) {
	switch body := e.Body.(type) {
	case announce.Announcement:
		w.announced = append(w.announced, body)
	case announce.Snapshot:
		w.late[body.Version] = append(w.late[body.Version], body.Blob)
	case announce.Prune:
		for _, key := range body.Keys {
			w.pruned[string(w.c.name)+"/"+key] = true
		}
	}
}

// gone says whether a key could not be read because it was pruned. A prune may
// be under way, so the log is asked again: what goes is in it before it goes.
func (w *verifier) gone(key string, err error) bool {
	if !errors.Is(err, blob.ErrNotFound) {
		return false
	}
	if !w.pruned[key] {
		w.readOn()
	}
	return w.pruned[key]
}

// readOn notes what was pruned since the log was read.
func (w *verifier) readOn() {
	log := announce.Open(w.store, w.c.name)
	if now, err := log.Refresh(w.ctx); err != nil || now.Position == w.read.Position {
		return // nothing is known that was not before
	}
	for e, err := range log.Entries(w.ctx) {
		if err != nil {
			return
		}
		if e.Position() <= w.read.Position {
			continue
		}
		next, valid := e.Fold.Apply(e)
		if _, ok := e.Body.(announce.Prune); ok && valid {
			w.entry(e)
		}
		w.read = next
	}
}

// isDamage says whether an error is about bytes that were read or are gone, not
// about a store that does not answer.
func isDamage(err error) bool {
	for _, kind := range []error{blob.ErrFormat, blob.ErrMalformed, blob.ErrDigest, blob.ErrNotFound, blob.ErrNotRegular, blob.ErrTooLarge, announce.ErrDiverged, announce.ErrCorrupt} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// gaps looks for entries that no reader comes to, because one before is gone.
func (w *verifier) gaps(last int64) error {
	infos, err := w.store.List(w.ctx, fmt.Sprintf("%s/log/", w.c.name))
	if err != nil {
		return err
	}
	infos = slices.DeleteFunc(infos, func(info blob.Info) bool {
		ours := blob.IsLogKey(w.c.name, info.Key)
		if !ours {
			w.out.problem("log: %s: it is no log entry: a file of somebody else's, move it away", info.Key)
		}
		return !ours
	})
	for _, info := range infos {
		if info.Key <= blob.LogKey(w.c.name, last) {
			continue
		}
		_, err := w.store.Stat(w.ctx, blob.LogKey(w.c.name, last+1))
		if errors.Is(err, blob.ErrNotFound) {
			w.out.problem("log: %s: position %d before it is gone", info.Key, last+1)
			return nil
		}
		return err // a writer has gone on meanwhile
	}
	return nil
}

// points returns the versions whose manifests are there. Others are problems,
// unless they were pruned.
func (w *verifier) points(f announce.Fold) ([]Point, error) {
	links, err := w.c.manifested(w.ctx, f)
	var out []Point
	for _, at := range links {
		key := blob.ManifestKey(w.c.name, at.Version, at.Digest)
		switch {
		case at.Lost == nil:
			out = append(out, Point{at.Manifest, at.Digest})
			continue
		case !w.gone(key, at.Lost):
			w.out.problem("%s: manifest: %v", at.Version, at.Lost)
			w.unsure = true
		}
		w.lost[at.Version], w.known[key] = true, true
	}
	w.chain(out)
	return out, err
}

// chain compares what the log announced with the manifests.
func (w *verifier) chain(points []Point) {
	digests := map[dataset.Version]dataset.Digest{}
	for _, p := range points {
		w.versions[p.Manifest.Version] = true
		digests[p.Manifest.Version] = p.Digest
	}
	for _, a := range w.announced {
		if len(points) > 0 && a.Version >= points[0].Manifest.Version && digests[a.Version] != a.Manifest && !w.lost[a.Version] {
			w.out.problem("log: announces %s, which the manifests after it pass over", a.Version)
		}
	}
}
