package replica

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

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
			if err := c.remember(catalog.name, origin, f); err != nil {
				return err
			}
			c.settle(catalog.name)
			return nil
		}
		if !errors.Is(err, ErrNoPath) && !errors.Is(err, ErrCacheTooSmall) {
			break
		}
	}
	before, _ := c.remembers(catalog.name) // nothing, if something of it has gone for the newer
	c.hold(catalog.name, before.keys)
	return err
}

// bring fetches what lacks of a way. What is known beforehand not to fit is not
// fetched at all: a snapshot is the largest file there is.
func (c *Cache) bring(ctx context.Context, catalog *Catalog, at Point, there bool) error {
	w, err := c.way(ctx, catalog, at, there)
	if err != nil {
		return err
	}
	tooSmall := fmt.Errorf("%w: no room for %s and what leads from there to the newest version", ErrCacheTooSmall, w.snapshot())
	if !c.claim(catalog.name, w.keys()) {
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
	if !c.able(catalog.name) { // beside those, whose sizes were not known
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

// keys returns the keys of all that it has, with the sizes that are known.
func (w way) keys() map[string]int64 {
	keys := make(map[string]int64, len(w.small)+len(w.blobs))
	for _, key := range w.small {
		keys[key] = 0
	}
	for _, b := range w.blobs {
		keys[b.key] = b.size
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

// need is what a dataset needs for a start from the cache.
type need struct {
	name dataset.Name
	keys map[string]int64 // with their sizes
	size int64            // of all of them
	used time.Time        // when any of them was used last
}

// remembers returns what leads in the cache to the version that was effective last. It
// fails if anything of that lacks.
func (c *Cache) remembers(n dataset.Name) (need, error) {
	r, err := c.recallAny(n)
	if err != nil {
		return need{}, err
	}
	catalog := NewCatalog(glance{cache: c}, n)
	v, digest := r.Fold.Effective()
	m, err := catalog.Manifest(context.Background(), v, digest)
	if err != nil {
		return need{}, err
	}
	w, err := c.way(context.Background(), catalog, Point{m, digest}, true)
	if err != nil {
		return need{}, err
	}
	out := need{name: n, keys: w.keys()}
	for key := range out.keys {
		info, err := os.Stat(c.path(key))
		if err != nil || !c.has(key) {
			return need{}, errors.Join(err, blob.ErrNotFound)
		}
		out.keys[key] = info.Size()
		out.size += info.Size()
		if out.used.Before(info.ModTime()) {
			out.used = info.ModTime()
		}
	}
	return out, nil
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
