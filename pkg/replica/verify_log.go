package replica

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// log reads the whole log and returns its last fold. An entry that cannot be, or
// is gone, is a problem; what the log says behind it still counts, if it can be
// read.
func (w *verifier) log() (announce.Fold, error) {
	damaged := int64(-1)
	w.read = announce.Empty()
	for e, err := range announce.Open(w.store, w.c.name).Entries(w.ctx) {
		if err != nil && !isDamage(err) {
			return w.read, err
		}
		if errors.Is(err, announce.ErrGap) {
			break // beyond names all that are gone
		}
		if err != nil {
			w.out.problem("log: %v", err)
			damaged = w.read.Position + 1
			break
		}
		w.take(e)
	}
	later, err := w.later(damaged)
	if err != nil {
		return w.read, err
	}
	if err := w.beyond(later, damaged); err != nil {
		return w.read, err
	}
	return w.read, w.ctx.Err()
}

// take notes what an entry says.
func (w *verifier) take(e announce.Entry) {
	next, valid := e.Fold.Apply(e)
	if valid {
		w.entry(e)
	}
	w.read = next
}

// beyond reads the entries behind a place where some are gone or damaged, each by
// itself. Whether the first one follows what was read before, nobody can say.
func (w *verifier) beyond(later []int64, damaged int64) error {
	next := w.read.Position + 1
	for _, pos := range later {
		key := blob.LogKey(w.c.name, pos)
		switch {
		case pos == next+1:
			w.out.problem("log: %s: position %d before it is gone", key, next)
		case pos > next:
			w.out.problem("log: %s: positions %d to %d before it are gone", key, next, pos-1)
		}
		next = pos + 1
		data, err := w.store.Get(w.ctx, key)
		if err != nil && !isDamage(err) {
			return err
		}
		var e announce.Entry
		if err == nil {
			e, err = announce.DecodeEntry(data)
		}
		if err == nil && e.Position() != pos {
			err = fmt.Errorf("%w: the entry is of %d", announce.ErrCorrupt, e.Position())
		}
		if err == nil {
			w.take(e)
		} else if pos != damaged {
			w.out.problem("log: position %d: %v", pos, err)
		}
	}
	return nil
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

// later lists the positions behind what was read, unless a writer has gone on
// from there meanwhile. Files that are no entries are problems.
func (w *verifier) later(damaged int64) ([]int64, error) {
	infos, err := w.store.List(w.ctx, fmt.Sprintf("%s/log/", w.c.name))
	if err != nil {
		return nil, err
	}
	var out []int64
	for _, info := range infos {
		if !blob.IsLogKey(w.c.name, info.Key) {
			w.out.problem("log: %s: it is no log entry: a file of somebody else's, move it away", info.Key)
			continue
		}
		pos, err := strconv.ParseInt(strings.TrimSuffix(path.Base(info.Key), ".json"), 10, 64)
		if err == nil && pos > w.read.Position {
			out = append(out, pos)
		}
	}
	if len(out) == 0 || damaged >= 0 {
		return out, nil
	}
	_, err = w.store.Stat(w.ctx, blob.LogKey(w.c.name, w.read.Position+1))
	if errors.Is(err, blob.ErrNotFound) {
		return out, nil
	}
	return nil, err
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
