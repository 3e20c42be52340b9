package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// A LostError says that manifests of announced versions are gone or damaged.
type LostError struct {
	// Versions are those versions, ascending.
	Versions []dataset.Version
	err      error // of the first one
}

// Error implements error.
func (e *LostError) Error() string {
	if len(e.Versions) == 1 {
		return fmt.Sprintf("the manifest of version %s is lost: %v", e.Versions[0], e.err)
	}
	return fmt.Sprintf("the manifests of %d versions are lost, the first of %s: %v", len(e.Versions), e.Versions[0], e.err)
}

// Unwrap returns how the first one is lost.
func (e *LostError) Unwrap() error { return e.err }

// walk yields the versions whose manifests were not pruned, newest first. Of
// some of them the blobs were: a manifest stays where history goes on behind it.
func (c *Catalog) walk(ctx context.Context, f announce.Fold) iter.Seq2[announce.Link, error] {
	return announce.Open(c.store, c.name).Walk(ctx, f, c.Manifest)
}

// after returns the manifests after m, as Chain.After does, as the log says now.
// Of a version that was pruned there are none unless force is set: that a later
// one leads back to it is chance, and passes.
func (c *Catalog) after(ctx context.Context, m *blob.Manifest, most int, force bool) ([]*blob.Manifest, error) {
	if c.log == nil {
		return nil, nil
	}
	f, err := c.log.Refresh(ctx)
	if err != nil || m.Version < f.Horizon && !force {
		return nil, err
	}
	var out []*blob.Manifest // newest first
	for at, err := range c.walk(ctx, f) {
		switch {
		case err != nil:
			return nil, err
		case at.Version == m.Version:
			slices.Reverse(out)
			return out, nil
		case at.Version < m.Version || len(out) == most:
			return nil, nil
		}
		if out = append(out, at.Manifest); at.Lost == nil {
			continue
		}
		if most < math.MaxInt {
			return nil, nil // what comes before a lost one is dear to find
		}
		out = out[:0] // nothing leads on from above it
	}
	return nil, nil
}

// manifested returns what walk yields, oldest first, as far as that is known.
func (c *Catalog) manifested(ctx context.Context, f announce.Fold) (out []announce.Link, err error) {
	for at, walkErr := range c.walk(ctx, f) {
		if err = walkErr; err == nil {
			out = append(out, at)
		}
	}
	slices.Reverse(out)
	return out, err
}

// Chain returns all announced versions that were not pruned, oldest first, also
// those whose manifests are lost. Below the horizon these are the versions that
// blobs which are there lead to.
func (c *Catalog) Chain(ctx context.Context, f announce.Fold) ([]announce.Link, error) {
	links, err := c.manifested(ctx, f)
	if err != nil || len(links) == 0 || links[0].Version >= f.Horizon {
		return links, err
	}
	// One listing, for there may be many versions.
	keys, err := blob.After(ctx, c.store, string(c.name)+"/blobs/", "")
	if err != nil {
		return nil, fmt.Errorf("list blobs of dataset %s: %w", c.name, err)
	}
	there := map[string]bool{}
	for _, key := range keys {
		there[key] = true
	}
	out := links[:0:0]
	led := dataset.None // the newest version before that blobs lead to
	for _, at := range links {
		m := at.Manifest
		has := func(ref *blob.Ref) bool { return ref != nil && there[blob.BlobKey(c.name, m.Version, ref.Digest)] }
		leads := m != nil && (has(m.Snapshot) || m.Segment != m.Version && led != dataset.None && led == m.Previous && has(m.Delta))
		if leads {
			led = m.Version
		}
		if leads || m == nil || m.Version >= f.Horizon {
			out = append(out, at)
		}
	}
	return out, nil
}

// History returns all announced versions that were not pruned, oldest first, as
// Chain does. If manifests are lost, it returns the others, and a LostError.
func (c *Catalog) History(ctx context.Context, f announce.Fold) ([]Point, error) {
	links, err := c.Chain(ctx, f)
	var out []Point
	lost := &LostError{}
	for _, at := range links {
		if at.Lost == nil {
			out = append(out, Point{at.Manifest, at.Digest})
			continue
		}
		lost.Versions = append(lost.Versions, at.Version)
		lost.err = cmp.Or(lost.err, at.Lost)
	}
	if err == nil && lost.err != nil {
		err = lost
	}
	return out, err
}

// below says whether a version is below the horizon as the log says now, so that
// its blobs may be gone by intention; false if the log does not answer.
func (c *Catalog) below(ctx context.Context, v dataset.Version) bool {
	if c.log == nil {
		return false
	}
	f, err := c.log.Refresh(ctx)
	return err == nil && v < f.Horizon
}

// whyGone returns err, why version v could not be loaded, or that v was pruned.
func (c *Catalog) whyGone(ctx context.Context, v dataset.Version, err error) error {
	if c.log == nil || !errors.Is(err, ErrNoPath) && !errors.Is(err, blob.ErrNotFound) {
		return err
	}
	f, logErr := c.log.Refresh(ctx)
	if logErr != nil || v >= f.Horizon {
		return err
	}
	return prunedBelow(f)
}

// prunedBelow is an ErrPruned that says what can be done.
func prunedBelow(f announce.Fold) error {
	return fmt.Errorf("%w: it is below the horizon %s, and blobs of it are gone; the list of versions has what can be read", ErrPruned, f.Horizon)
}

// maybePruned is an ErrPruned for a version of which nothing is left, as nothing is of
// one that never was.
func maybePruned(f announce.Fold) error {
	return fmt.Errorf("%w, or never announced: it is below the horizon %s; the list of versions has what can be read", ErrPruned, f.Horizon)
}
