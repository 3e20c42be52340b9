package cycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// publish writes a verified draft to the store and announces it. If the store
// is full, or may not be written, what was written goes again: else every attempt
// would take more of what is left.
func (c *Cycle) publish(ctx context.Context, d *draft) error {
	err := c.write(ctx, d)
	if err == nil {
		err = c.announce(ctx, d)
	}
	if (blob.IsFull(err) || errors.Is(err, blob.ErrNotWritten)) && !errors.Is(err, announce.ErrInDoubt) {
		c.discard(context.WithoutCancel(ctx), d.view)
	}
	return err
}

// discard deletes the files of a version that was not announced, and never will
// be: nobody else makes one with the same digests.
func (c *Cycle) discard(ctx context.Context, v *replica.View) {
	m := v.Manifest
	keys := []string{blob.ManifestKey(c.cfg.Dataset, m.Version, v.ManifestDigest)}
	for _, ref := range []*blob.Ref{m.Snapshot, m.Delta, m.ReverseDelta, m.Header} {
		if ref != nil {
			keys = append(keys, blob.BlobKey(c.cfg.Dataset, m.Version, ref.Digest))
		}
	}
	for _, key := range keys {
		if err := c.cfg.Store.Delete(ctx, key); err != nil {
			c.cfg.Logger.Warn("a blob that nobody needs was not deleted", "dataset", c.cfg.Dataset, "error", err)
		}
	}
}

// write writes the files of a draft, the manifest last.
func (c *Cycle) write(ctx context.Context, d *draft) error {
	m := d.view.Manifest
	for _, b := range []struct {
		data []byte
		to   **blob.Ref
	}{{d.snapshot, &m.Snapshot}, {d.delta, &m.Delta}, {d.reverse, &m.ReverseDelta}, {d.header, &m.Header}} {
		if b.data == nil {
			continue
		}
		ref := blob.RefOf(b.data)
		if err := put(ctx, c.cfg.Store, blob.BlobKey(c.cfg.Dataset, m.Version, ref.Digest), b.data); err != nil {
			return err
		}
		*b.to = &ref
		d.result.Bytes += ref.Size
	}
	if err := put(ctx, c.cfg.Store, blob.SchemaKey(c.cfg.Dataset, m.Schema), c.cfg.Mapping.DescriptorSet()); err != nil {
		return err
	}
	if m.Segment = m.Version; !d.segment {
		m.Segment = d.prev.Manifest.Segment
	}
	m.PreviousManifest = c.head.Manifest
	b, err := m.Encode()
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	d.view.ManifestDigest = dataset.DigestOf(b)
	return put(ctx, c.cfg.Store, blob.ManifestKey(c.cfg.Dataset, m.Version, d.view.ManifestDigest), b)
}

// put writes a blob whose name is its digest. One that exists is read: it may be
// half of it, left when the power failed.
func put(ctx context.Context, store blob.Store, key string, data []byte) error {
	err := store.Put(ctx, key, data)
	if errors.Is(err, blob.ErrExists) {
		_, err = blob.Get(ctx, store, key, blob.RefOf(data))
		if errors.Is(err, blob.ErrDigest) {
			err = fmt.Errorf("%w: the file is damaged: delete it, and it is written again", err)
		}
	}
	if err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	return nil
}

func (c *Cycle) announce(ctx context.Context, d *draft) error {
	m := d.view.Manifest
	f, err := c.log.Announce(ctx, c.cfg.Author, announce.AnnouncementOf(m, d.view.ManifestDigest))
	c.doubt = errors.Is(err, announce.ErrInDoubt)
	if err != nil {
		return err
	}
	d.result.Published = true
	c.base, c.head = d.view, announce.Pin{Version: m.Version, Manifest: d.view.ManifestDigest}
	c.since++
	if m.Snapshot != nil {
		c.since = 0
	}
	if f.Pin != nil {
		c.cfg.Logger.Warn("a pin holds consumers at another version until unpin", "dataset", c.cfg.Dataset, "version", m.Version, "pinned", f.Pin.Version)
	}
	project(ctx, c.cfg.Store, c.cfg.Dataset, f, c.cfg.Logger)
	return nil
}

// project renews the names that Hollow's consumers read. They are a copy of the
// log, so a failure is no failure of the cycle.
func project(ctx context.Context, store blob.Store, n dataset.Name, f announce.Fold, logger *slog.Logger) {
	dir, ok := store.(*blob.Dir)
	if !ok {
		return
	}
	if err := announce.Project(ctx, dir, n, f); err != nil {
		logger.Warn("Hollow's file names were not renewed: the next cycle does it", "dataset", n, "error", err)
	}
}
