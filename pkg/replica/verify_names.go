package replica

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// name notes the names by which Hollow's consumers read the blobs of a version.
func (w *verifier) name(m *blob.Manifest) {
	w.versions[m.Version] = true
	add := func(name string, refs ...blob.Ref) {
		for _, ref := range refs {
			w.names[name] = append(w.names[name], blob.BlobKey(w.c.name, m.Version, ref.Digest))
		}
	}
	one := func(name string, ref *blob.Ref) {
		if ref != nil {
			add(name, *ref)
		}
	}
	snapshot := "snapshot-" + m.Version.String()
	add(snapshot, w.late[m.Version]...)
	one(snapshot, m.Snapshot)
	one("header-"+m.Version.String(), m.Header)
	one(fmt.Sprintf("delta-%s-%s", m.Previous, m.Version), m.Delta)
	one(fmt.Sprintf("reversedelta-%s-%s", m.Version, m.Previous), m.ReverseDelta)
}

// hollow looks at the names in a directory store. Names may be missing: the
// next writer makes them. What there is must be a blob of an announced version.
func (w *verifier) hollow(f announce.Fold) error {
	dir, ok := w.store.(*blob.Dir)
	if !ok {
		return nil
	}
	entries, err := os.ReadDir(dir.Path(string(w.c.name)))
	if err != nil {
		return err
	}
	announced, err := blob.ReadFile(filepath.Join(dir.Path(string(w.c.name)), announcedFile), maxAnnounced)
	switch {
	case errors.Is(err, blob.ErrTooLarge), errors.Is(err, blob.ErrNotRegular):
		w.out.problem("%s: %v", announcedFile, err)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return err
	}
	// A writer may have gone on meanwhile.
	now, err := announce.Open(w.store, w.c.name).Refresh(w.ctx)
	if err != nil {
		now = f // that was found already
	}
	if announced != nil {
		w.announcedVersion(string(announced), f, now)
	}
	for _, e := range entries {
		v, ok := nameVersion(e.Name())
		if !ok || v > f.Head && v <= now.Head || w.lost[v] {
			continue
		}
		keys := w.names[e.Name()]
		switch {
		case keys == nil && (v < max(f.Horizon, now.Horizon) || v < w.adopted):
			w.out.Orphans = append(w.out.Orphans, e.Name())
		case keys == nil:
			w.out.problem("%s: no announced version has a blob of this name", e.Name())
		default:
			if err := w.isBlob(dir, e.Name(), keys); err != nil {
				w.out.problem("%s: %v", e.Name(), err)
			}
		}
	}
	return nil
}

func (w *verifier) announcedVersion(text string, f, now announce.Fold) {
	v, err := dataset.ParseVersion(strings.TrimSpace(text))
	switch {
	case err != nil:
		w.out.problem("%s: %v", announcedFile, err)
	case v > max(f.Head, now.Head):
		w.out.problem("%s: %s is beyond the log, whose head is %s", announcedFile, v, f.Head)
	case v <= f.Head && !w.knows(v, f):
		w.out.problem("%s: %s was not announced in the log", announcedFile, v)
	}
}

// knows says whether a version up to the head was announced, or may have been.
func (w *verifier) knows(v dataset.Version, f announce.Fold) bool {
	if v >= f.Horizon {
		return w.versions[v] || w.lost[v]
	}
	return v < w.adopted || slices.ContainsFunc(w.announced, func(a announce.Announcement) bool { return a.Version == v })
}

// nameVersion returns the version that a name of Hollow's was published with.
func nameVersion(name string) (dataset.Version, bool) {
	if text, ok := strings.CutPrefix(name, "header-"); ok {
		v, err := dataset.ParseVersion(text)
		return v, err == nil
	}
	t, ok := parseBlobName(name)
	return max(t.From, t.To), ok
}

// isBlob returns an error unless a file is, or is equal to, one of the blobs.
// Those are checked elsewhere.
func (w *verifier) isBlob(dir *blob.Dir, name string, keys []string) error {
	path := filepath.Join(dir.Path(string(w.c.name)), name)
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
			return nil // it was removed meanwhile
		}
	}
	if err != nil {
		return err
	}
	for _, key := range keys {
		if other, err := os.Stat(dir.Path(key)); err == nil && os.SameFile(info, other) {
			return nil
		}
	}
	data, err := blob.ReadFile(path, math.MaxInt64)
	if err != nil {
		return err
	}
	digest := dataset.DigestOf(data)
	for _, key := range keys {
		if strings.HasSuffix(key, "-"+digest.String()) {
			return nil
		}
	}
	return fmt.Errorf("it is not the blob that the manifest names: %w: %d bytes with digest %s", blob.ErrDigest, len(data), digest)
}
