package announce

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// A Link is an announced version in the chain that leads back from the head.
type Link struct {
	Version dataset.Version
	// Digest is that of the version's manifest.
	Digest dataset.Digest
	// Manifest is nil if its file is gone or damaged; Lost says then how.
	Manifest *blob.Manifest
	Lost     error
}

// Manifests reads the manifest of a version by its digest, as
// blob.GetManifest does.
type Manifests func(context.Context, dataset.Version, dataset.Digest) (*blob.Manifest, error)

// Walk yields the announced versions that were not pruned, newest first, as
// the log says after f. The manifest of each names the one before; where one is
// lost, the log's entries do. It ends with the first version, or with an error.
func (l *Log) Walk(ctx context.Context, f Fold, get Manifests) iter.Seq2[Link, error] {
	return func(yield func(Link, error) bool) {
		var said map[dataset.Version]Announcement
		at := Link{Version: f.Head, Digest: f.Manifest}
		for at.Version != dataset.None {
			m, err := get(ctx, at.Version, at.Digest)
			if errors.Is(err, blob.ErrNotFound) && at.Version < f.Horizon {
				older, lookErr := l.older(ctx, at.Version, said)
				if lookErr != nil {
					yield(at, lookErr)
					return
				}
				if said = older; said == nil {
					return // pruned
				}
			}
			if err != nil && !IsLost(err) {
				yield(at, err)
				return
			}
			if at.Manifest, at.Lost = m, err; !yield(at, nil) {
				return
			}
			if m != nil {
				at = Link{Version: m.Previous, Digest: m.PreviousManifest}
				continue
			}
			if said == nil {
				if said, err = l.announcements(ctx); err != nil {
					yield(at, fmt.Errorf("find the version before %s: %w", at.Version, err))
					return
				}
			}
			before := said[at.Version].Previous // what the log does not say is lost, too
			at = Link{Version: before, Digest: said[before].Manifest}
		}
	}
}

// older returns what the log has announced, said if that is known, if the manifest of an
// announced version before v is there, nil if none is: a prune deletes the oldest ones
// first, so it is lost what is gone behind one that stayed.
func (l *Log) older(ctx context.Context, v dataset.Version, said map[dataset.Version]Announcement) (map[dataset.Version]Announcement, error) {
	files, err := l.store.List(ctx, fmt.Sprintf("%s/versions/", l.name))
	if err != nil {
		return nil, fmt.Errorf("look for manifests of %s: %w", l.name, err)
	}
	before := map[string]dataset.Version{}
	for _, f := range files {
		text, _, _ := strings.Cut(path.Base(f.Key), "-")
		if at, err := dataset.ParseVersion(text); err == nil && at < v {
			before[f.Key] = at
		}
	}
	if len(before) > 0 && said == nil {
		said, err = l.announcements(ctx)
		if IsLost(err) || errors.Is(err, ErrCorrupt) || errors.Is(err, ErrDiverged) {
			return nil, nil // nobody can say which was announced
		}
		if err != nil {
			return nil, err
		}
	}
	for key, at := range before {
		if key != blob.ManifestKey(l.name, at, said[at].Manifest) {
			continue // of a failed cycle
		}
		_, err := l.store.Stat(ctx, key) // a listing may be stale
		if errors.Is(err, blob.ErrNotFound) {
			continue
		}
		return said, err
	}
	return nil, nil
}

// IsLost says whether an error is about a file that is gone or damaged, not
// about a store that does not answer or a file of a newer program.
func IsLost(err error) bool {
	return slices.ContainsFunc([]error{
		blob.ErrNotFound, blob.ErrDigest, blob.ErrMalformed, blob.ErrTooLarge, blob.ErrNotRegular,
	}, func(kind error) bool { return errors.Is(err, kind) })
}

// announcements returns what the log has announced, by version.
func (l *Log) announcements(ctx context.Context) (map[dataset.Version]Announcement, error) {
	out := map[dataset.Version]Announcement{}
	for e, err := range l.Entries(ctx) {
		if err != nil {
			return nil, err
		}
		if a, ok := e.Body.(Announcement); ok {
			if _, counts := e.Fold.Apply(e); counts {
				out[a.Version] = a
			}
		}
	}
	return out, nil
}

// manifests reads manifests from the store.
func (l *Log) manifests(ctx context.Context, v dataset.Version, d dataset.Digest) (*blob.Manifest, error) {
	return blob.GetManifest(ctx, l.store, l.name, v, d)
}
