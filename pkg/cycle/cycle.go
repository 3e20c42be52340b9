package cycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/diff"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// Config says what a Cycle makes versions of.
type Config struct {
	// Dataset is what is made, in Store.
	Dataset dataset.Name
	Store   blob.Store
	// Mapping is the declared schema.
	Mapping *protomap.Mapping
	// Author is who makes the versions, as the log names it.
	Author announce.Author
	// SnapshotEvery is the number of versions from one snapshot to the next; 1
	// writes one with each version. A schema segment always begins with one.
	SnapshotEvery int
	// Now returns the time that versions are named after.
	Now func() time.Time
	// Logger gets what an operator should know.
	Logger *slog.Logger
	// AcceptDamagedLog goes on though earlier entries of the log are gone or
	// were changed, which no later entry can make good.
	AcceptDamagedLog bool
	// FromScratch begins a schema segment, with a snapshot and no delta, if the
	// announced version cannot be read because its files are lost or damaged.
	// What is removed, and what the schema changes, is then not known.
	FromScratch bool
	// Validate judges a version before it is published; nil accepts all.
	Validate func(Result) error
}

// Result is what a cycle did. Counts are of records of the root type, by key.
type Result struct {
	Dataset  dataset.Name    `json:"dataset"`
	Version  dataset.Version `json:"version"`
	Previous dataset.Version `json:"previous"`
	// Published is false if nothing changed; Version is then Previous.
	Published bool `json:"published"`
	Records   int  `json:"records"`
	Added     int  `json:"added"`
	Removed   int  `json:"removed"`
	Changed   int  `json:"changed"`
	Unchanged int  `json:"unchanged"`
	// NewSchema says that the declaration is not that of the version before.
	NewSchema bool `json:"new_schema"`
	// Bytes is the size of all blobs, Checksum the content checksum.
	Bytes    int64          `json:"bytes"`
	Checksum dataset.Digest `json:"checksum"`
}

// ErrDuplicateKey says that two records of a version have the same key.
var ErrDuplicateKey = errors.New("two records have the same key")

// DuplicateKey is ErrDuplicateKey with the key, as a mapping's readers know it.
func DuplicateKey(m *protomap.Mapping, key []state.Value) error {
	return fmt.Errorf("%s %s: %w", m.Root(), dataset.Printable(fmt.Sprint(m.KeyTexts(key))), ErrDuplicateKey)
}

// A Cycle makes the versions of one dataset, one at a time. It is for one
// goroutine.
type Cycle struct {
	cfg     Config
	log     *announce.Log
	catalog *replica.Catalog
	base    *replica.View // the announced version; nil if there is none, or it is lost
	head    announce.Pin  // it and its manifest's digest; zero if there is none
	since   int           // versions since the last snapshot
	doubt   bool          // the last announcement's outcome is not known
	traced  bool          // the log's chain of digests was checked

	hasher *state.Hasher // of hashed, nil if there is none
	hashed *replica.View
}

// Open returns a Cycle that starts from the newest announced version.
func Open(ctx context.Context, cfg Config) (*Cycle, error) {
	c := &Cycle{cfg: cfg, log: announce.Open(cfg.Store, cfg.Dataset), catalog: replica.NewCatalog(cfg.Store, cfg.Dataset).LogTo(cfg.Logger)}
	if err := c.Restore(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// Log returns the dataset's announcement log.
func (c *Cycle) Log() *announce.Log { return c.log }

// Base returns the version that the next cycle starts from, nil if none.
func (c *Cycle) Base() *replica.View { return c.base }

// maxOvertaken bounds how often Restore starts over because the version that it
// was reading has been followed by others and pruned.
const maxOvertaken = 100

// Restore moves to the newest announced version, whoever made it. It is needed
// after announce.ErrConflict.
func (c *Cycle) Restore(ctx context.Context) error {
	if err := c.log.Settle(ctx); err != nil {
		return fmt.Errorf("restore %s: %w", c.cfg.Dataset, err)
	}
	for try := 0; ; try++ {
		overtaken, err := c.restore(ctx)
		if err == nil {
			return nil
		}
		if !overtaken || try == maxOvertaken {
			return fmt.Errorf("restore %s: %w", c.cfg.Dataset, err)
		}
		c.cfg.Logger.Info("the version to go on from was pruned meanwhile, as a newer one is there: going on from that", "dataset", c.cfg.Dataset)
	}
}

// restore is one attempt of Restore. overtaken says that it failed because the
// head of the log is another one by now, and the one before was pruned.
func (c *Cycle) restore(ctx context.Context) (overtaken bool, err error) {
	f, err := c.log.Refresh(ctx)
	if err != nil {
		return false, err
	}
	if err := c.trust(ctx, f); err != nil {
		return false, err
	}
	if f.Head != dataset.None && c.base != nil && c.base.ManifestDigest == f.Manifest {
		return false, nil
	}
	view, since, err := c.load(ctx, f)
	if isLost(err) {
		now, logErr := c.log.Refresh(ctx)
		if logErr != nil {
			return false, logErr // without it nobody knows whether it is lost
		}
		if now.Head != f.Head {
			return true, err
		}
		err = c.lost(f, err)
	}
	if err != nil {
		return false, err
	}
	c.base, c.since = view, since
	c.head = announce.Pin{Version: f.Head, Manifest: f.Manifest}
	return false, nil
}

// load returns the head of f, nil if there is none, and how many versions it is
// from a snapshot.
func (c *Cycle) load(ctx context.Context, f announce.Fold) (view *replica.View, since int, err error) {
	if f.Head == dataset.None {
		return nil, 0, nil
	}
	head, err := c.catalog.Head(ctx, f)
	if err == nil {
		view, err = c.catalog.Load(ctx, c.base, head)
	}
	if err == nil {
		since, err = c.sinceSnapshot(ctx, head.Manifest)
	}
	return view, since, err
}

// lost judges that the newest version cannot be read because of err.
func (c *Cycle) lost(f announce.Fold, err error) error {
	if f.Head == math.MaxInt64 {
		return fmt.Errorf("%w; it cannot be read, either: %w", noRoom(f.Head), err)
	}
	if c.cfg.FromScratch {
		c.cfg.Logger.Warn("the newest version cannot be read: the next one starts from scratch, and is compared with nothing",
			"dataset", c.cfg.Dataset, "version", f.Head, "error", err)
		return nil
	}
	return fmt.Errorf("the newest version %s cannot be read: put its files back; if they are lost for good, give --from-scratch: %w", f.Head, err)
}

// noRoom is the ErrNoRoom above the greatest version of all.
func noRoom(head dataset.Version) error {
	return fmt.Errorf("%w: %s is the greatest version that there can be: publish its records, as export has them, as a dataset of another name", ErrNoRoom, head)
}

// isLost says whether an error is about files that are gone or damaged, not
// about a store that does not answer.
func isLost(err error) bool {
	return announce.IsLost(err) || errors.Is(err, replica.ErrNoPath) || errors.Is(err, replica.ErrPruned) || errors.Is(err, state.ErrCorrupt)
}

// trust says whether the log is one to go on with: whole, unchanged, and not of
// a folder that another producer owns.
func (c *Cycle) trust(ctx context.Context, f announce.Fold) error {
	if dir, ok := c.cfg.Store.(*blob.Dir); ok {
		if err := announce.CheckForeign(ctx, dir, c.cfg.Dataset, f); err != nil {
			return err
		}
	}
	if c.traced {
		return nil // the next entries name those before
	}
	err := c.log.CheckChain(ctx)
	switch {
	case errors.Is(err, announce.ErrCorrupt) && c.cfg.AcceptDamagedLog:
		c.cfg.Logger.Warn("the log's history is damaged: going on from its newest entry", "dataset", c.cfg.Dataset, "error", err)
	case errors.Is(err, announce.ErrCorrupt):
		return fmt.Errorf("%w: put the entry back; if it is lost for good, give --accept-damaged-log", err)
	case err != nil:
		return err
	}
	c.traced = true
	return nil
}

func (c *Cycle) sinceSnapshot(ctx context.Context, m *blob.Manifest) (int, error) {
	for n := 0; ; n++ {
		if m == nil || m.Snapshot != nil || n > c.cfg.SnapshotEvery {
			return n, nil
		}
		before, err := c.catalog.Before(ctx, m)
		if isLost(err) {
			return c.cfg.SnapshotEvery, nil // one that needs nothing before it is due
		}
		if err != nil {
			return n, err
		}
		m = before
	}
}

// Run makes one version: populate adds all records. It fails with
// announce.ErrConflict if somebody else announced a version meanwhile; then
// nothing was announced, and Restore and Run may be tried again. That is so
// even if populate would change nothing: a success says that the announced
// version has this content. After announce.ErrInDoubt the next Run settles first
// what became of this one.
func (c *Cycle) Run(ctx context.Context, lineage dataset.Lineage, populate func(protomap.Sink) error) (Result, error) {
	return c.run(ctx, lineage, func(b *state.Builder) error { return populate(b) })
}

// RunInBatches is Run for who adds many records: state.AddParts does so on all
// processors.
func (c *Cycle) RunInBatches(ctx context.Context, lineage dataset.Lineage, populate func(state.Batcher) error) (Result, error) {
	return c.run(ctx, lineage, func(b *state.Builder) error { return populate(b) })
}

func (c *Cycle) run(ctx context.Context, lineage dataset.Lineage, populate func(*state.Builder) error) (Result, error) {
	if c.doubt {
		if err := c.Restore(ctx); err != nil {
			return Result{}, fmt.Errorf("cycle of %s: %w", c.cfg.Dataset, err)
		}
		c.doubt = false
	}
	d, err := c.build(ctx, lineage, populate)
	if err != nil {
		return Result{}, fmt.Errorf("cycle of %s: %w", c.cfg.Dataset, err)
	}
	if d.unchanged {
		if err := c.log.Confirm(ctx, d.prev.ManifestDigest); err != nil {
			return Result{}, fmt.Errorf("cycle of %s: nothing changed: %w", c.cfg.Dataset, err)
		}
		return d.result, nil
	}
	if err := c.encode(d); err != nil {
		return Result{}, fmt.Errorf("cycle of %s: %w", c.cfg.Dataset, err)
	}
	if err := c.verify(d); err != nil {
		return Result{}, fmt.Errorf("cycle of %s: verify: %w", c.cfg.Dataset, err)
	}
	if c.cfg.Validate != nil {
		if err := c.cfg.Validate(d.result); err != nil {
			return Result{}, fmt.Errorf("cycle of %s: %w", c.cfg.Dataset, err)
		}
	}
	if err := c.publish(ctx, d); err != nil {
		return Result{}, fmt.Errorf("cycle of %s: %w", c.cfg.Dataset, err)
	}
	c.hasher, c.hashed = d.hasher, c.base
	return d.result, nil
}

// draft is a version that is being made.
type draft struct {
	view      *replica.View // without its manifest's digest until it is published
	prev      *replica.View
	segment   bool // a schema segment begins
	unchanged bool
	result    Result
	hasher    *state.Hasher // of the view, nil if the checksum was computed in full

	snapshot, delta, reverse, header []byte // nil if not written
}

func (c *Cycle) build(ctx context.Context, lineage dataset.Lineage, populate func(*state.Builder) error) (*draft, error) {
	d := &draft{prev: c.base, result: Result{Dataset: c.cfg.Dataset, Previous: c.head.Version}}
	var base *state.State
	if d.prev != nil {
		base = d.prev.State
	}
	if c.head.Version == math.MaxInt64 {
		return nil, noRoom(c.head.Version)
	}
	b, err := state.NewBuilder(base, c.cfg.Mapping.Schemas())
	if err != nil {
		return nil, err
	}
	if err := populate(b); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	now := c.cfg.Now()
	m := &blob.Manifest{
		Format: 1, Dataset: c.cfg.Dataset, Previous: d.result.Previous,
		Version: dataset.NextVersion(d.result.Previous, now), Created: now.UTC(),
		Schema: dataset.DigestOf(c.cfg.Mapping.DescriptorSet()), Lineage: lineage,
	}
	s, err := b.Finish(c.header(base, m, now))
	if err != nil {
		return nil, err
	}
	d.segment = base == nil || !state.SameModel(base, s)
	d.view, err = replica.NewView(m, s, c.cfg.Mapping)
	if err != nil {
		return nil, err
	}
	for a := range d.view.Index.Duplicates() {
		return nil, DuplicateKey(c.cfg.Mapping, d.view.Index.KeyOf(d.view.Root().Record(a)))
	}
	return d, c.judge(ctx, d)
}

// judge counts, and decides whether anything changed.
func (c *Cycle) judge(ctx context.Context, d *draft) error {
	r := &d.result
	r.Records, r.Version = d.view.Root().Len(), d.view.Version()
	if d.prev == nil {
		r.Added = r.Records
		return nil
	}
	x, err := d.diff(ctx)
	if err != nil {
		return err
	}
	r.Added, r.Removed, r.Changed, r.Unchanged = x.Added, x.Removed, x.Changed, x.Unchanged
	r.NewSchema = d.prev.Manifest.Schema != d.view.Manifest.Schema
	if !d.segment && x.Same() && !r.NewSchema {
		d.unchanged = true
		r.Version, r.Checksum = r.Previous, d.prev.Manifest.Checksum
	}
	return nil
}

// diff compares with the version before. Records with another key, or of
// another root type, are none of those before.
func (d *draft) diff(ctx context.Context) (*diff.Result, error) {
	before, now := d.prev.Root(), d.view.Root()
	anew := &diff.Result{Added: now.Len(), Removed: before.Len()}
	if before.Schema().Name != now.Schema().Name {
		return anew, nil
	}
	x, err := diff.States(ctx, d.prev.State, d.view.State, diff.Options{Type: now.Schema().Name})
	if errors.Is(err, diff.ErrKeysDiffer) {
		return anew, nil
	}
	return x, err
}

// Author returns who makes the versions.
func (c *Cycle) Author() announce.Author { return c.cfg.Author }
