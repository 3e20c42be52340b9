package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

const (
	// maxColdDeltas bounds the deltas of a start from the cache.
	maxColdDeltas = 1000
	// manifestSize is about the size of a manifest.
	manifestSize = 1 << 10
)

// retain brings the shortest addition to the cache that will do: what lacks
// after a snapshot that is there, else, or if that is too much, the newest one.
func (c *Cache) retain(ctx context.Context, catalog *Catalog, f announce.Fold, origin string) error {
	v, digest := f.Effective()
	m, err := catalog.Manifest(ctx, v, digest)
	if err != nil {
		return err
	}
	for _, there := range []bool{true, false} {
		if err = c.bring(ctx, catalog, Point{m, digest}, there); err == nil {
			return c.remember(catalog.name, origin, f)
		}
		if !errors.Is(err, ErrNoPath) && !errors.Is(err, ErrCacheTooSmall) {
			break
		}
	}
	c.hold(catalog.name, nil)
	return err
}

// bring fetches what lacks of a way. What is known beforehand not to fit is not
// fetched at all: a snapshot is the largest file there is.
func (c *Cache) bring(ctx context.Context, catalog *Catalog, at Point, there bool) error {
	w, err := c.way(ctx, catalog, at, there)
	if err != nil {
		return err
	}
	c.hold(catalog.name, w.keys())
	tooSmall := fmt.Errorf("%w: no room for %s and what leads from there to the newest version", ErrCacheTooSmall, w.snapshot())
	if !c.able(c.lacking(w.blobs)) {
		return tooSmall
	}
	for _, key := range w.small {
		if err := c.bringOne(ctx, catalog, key); err != nil {
			return err
		}
		if !c.has(key) {
			return tooSmall
		}
	}
	if !c.able(c.lacking(w.blobs)) { // beside those, whose sizes were not known
		return tooSmall
	}
	for _, b := range w.blobs {
		if err := c.bringOne(ctx, catalog, b.key); err != nil {
			return err
		}
		if !c.has(b.key) {
			return fmt.Errorf("keep %s in cache: its bytes are damaged, or its room was taken", b.key)
		}
	}
	return nil
}

// bringOne fetches a file that is not in the cache. It fails with errPaused if
// that was in vain, because it could not be written.
func (c *Cache) bringOne(ctx context.Context, catalog *Catalog, key string) error {
	if c.has(key) {
		return nil
	}
	if err := catalog.fetch(ctx, key); err != nil || c.has(key) {
		return err
	}
	_, err := c.ready(catalog.name)
	return err
}

// lacking returns the bytes of those blobs that are not in the cache.
func (c *Cache) lacking(blobs []sized) (bytes int64) {
	for _, b := range blobs {
		if !c.has(b.key) {
			bytes += b.size
		}
	}
	return bytes
}

// fetch makes the cache in front of the store keep a file. The turn to refresh
// is held, so it does not wait until others have loaded their snapshots.
func (c *Catalog) fetch(ctx context.Context, key string) error {
	leave, err := c.fetches.enter(ctx, Delta)
	if err != nil {
		return err
	}
	defer leave()
	_, err = c.store.Get(ctx, key)
	return err
}

// way is what leads to a version: a snapshot, the deltas from there, and the
// manifests.
type way struct {
	small []string // manifests, of about manifestSize each, and the schema
	blobs []sized  // the snapshot is the last one
}

// sized is the key of a file whose size is known.
type sized struct {
	key  string
	size int64
}

func (w way) snapshot() string { return w.blobs[len(w.blobs)-1].key }

func (w way) keys() []string {
	keys := slices.Clone(w.small)
	for _, b := range w.blobs {
		keys = append(keys, b.key)
	}
	return keys
}

// way returns the way to a version. If there, its snapshot is the newest one that
// is in the cache; ErrNoPath if none is, or if what follows has grown larger than
// it.
func (c *Cache) way(ctx context.Context, catalog *Catalog, at Point, there bool) (way, error) {
	var w way
	var bytes int64
	if digest := at.Manifest.Schema; !digest.IsZero() {
		w.small = append(w.small, blob.SchemaKey(catalog.name, digest))
	}
	for n := 0; n < maxColdDeltas; n++ {
		m := at.Manifest
		w.small = append(w.small, blob.ManifestKey(catalog.name, m.Version, at.Digest))
		if m.Snapshot != nil {
			key := blob.BlobKey(catalog.name, m.Version, m.Snapshot.Digest)
			if !there || c.has(key) && bytes <= m.Snapshot.Size {
				w.blobs = append(w.blobs, sized{key, m.Snapshot.Size})
				return w, nil
			}
		}
		if m.Delta == nil || m.Segment == m.Version {
			break
		}
		w.blobs = append(w.blobs, sized{blob.BlobKey(catalog.name, m.Version, m.Delta.Digest), m.Delta.Size})
		bytes += m.Delta.Size + manifestSize
		before, err := catalog.Before(ctx, m)
		if err != nil && !errors.Is(err, blob.ErrNotFound) {
			return way{}, err
		}
		if before == nil {
			break
		}
		at = Point{before, m.PreviousManifest}
	}
	return way{}, fmt.Errorf("keep version in cache: %w", ErrNoPath)
}

// prefer makes what the datasets need for a start, as the cache remembers them, the
// last to go for room: of those that were used last, as many as fit. Nobody else has
// the Cache.
func (c *Cache) prefer() error {
	names, err := c.folders()
	if err != nil {
		return err
	}
	var all []need
	for _, n := range names {
		if need, err := c.remembers(n); err == nil { // else nothing starts from it
			all = append(all, need)
		}
	}
	slices.SortFunc(all, func(a, b need) int { return cmp.Compare(b.used, a.used) })
	left := c.max
	fit := all[:0]
	for _, n := range all {
		if n.size <= left {
			left -= n.size
			fit = append(fit, n)
		}
	}
	for _, n := range slices.Backward(fit) {
		for _, key := range n.keys {
			c.use(key)
		}
	}
	return nil
}

// need is what a dataset needs for a start from the cache.
type need struct {
	keys []string
	size int64
	used int64 // when any of it was used last
}

// remembers returns what leads in the cache to the version that was effective last.
func (c *Cache) remembers(n dataset.Name) (out need, err error) {
	r, err := c.recallAny(n)
	if err != nil {
		return out, err
	}
	catalog := NewCatalog(glance{cache: c}, n)
	v, digest := r.Fold.Effective()
	m, err := catalog.Manifest(context.Background(), v, digest)
	if err != nil {
		return out, err
	}
	w, err := c.way(context.Background(), catalog, Point{m, digest}, true)
	for _, key := range w.keys() {
		if f := c.files[key]; f != nil {
			out.keys, out.size, out.used = append(out.keys, key), out.size+f.size, max(out.used, f.used)
		}
	}
	return out, err
}

// glance reads files of a cache as a store, which does not count as a use.
type glance struct {
	blob.Store
	cache *Cache
}

// Get implements blob.Store.
func (g glance) Get(_ context.Context, key string) ([]byte, error) {
	b, err := blob.ReadFile(g.cache.path(key), blob.MaxFile)
	if want, ok := digestOf(key); err == nil && (!ok || dataset.DigestOf(b) != want) {
		err = blob.ErrDigest
	}
	return b, err
}
