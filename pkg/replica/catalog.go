package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// Reasons why a version cannot be had.
var (
	// ErrNoVersion says that a dataset never announced a version.
	ErrNoVersion = errors.New("version was not announced")
	// ErrPruned says that the blobs of a version were deleted, as the log has
	// made known. It is an ErrNoVersion, too.
	ErrPruned error = prunedError{}
	// ErrEmpty says that a dataset has announced nothing yet.
	ErrEmpty = errors.New("dataset has no version yet")
)

// prunedError is the type of ErrPruned.
type prunedError struct{}

func (prunedError) Error() string        { return "version was pruned" }
func (prunedError) Is(target error) bool { return target == ErrNoVersion }

// maxManifests bounds the manifests that a Catalog remembers, of about a
// kilobyte each. It is more than a plan or a start from the cache walks back.
const maxManifests = 2048

// A Catalog reads the versions of one dataset from a store. It remembers the
// schemas, and the manifests of the newest versions, which never change. It is
// safe for concurrent use.
type Catalog struct {
	store    blob.Store
	name     dataset.Name
	declared Declared
	logger   *slog.Logger
	strict   bool                         // never go round a delta
	detour   func(dataset.Version, error) // told of what is gone round; may be nil
	fetches  *Fetches                     // may be nil
	log      log                          // says what was pruned; nil if nothing does
	warned   sync.Once                    // see checkFilter

	mu        sync.Mutex
	manifests map[dataset.Digest]*blob.Manifest
	mappings  map[dataset.Digest]*protomap.Mapping
	failures  map[blob.Ref]int // to read a blob, in a row
	share     float64          // of its blob that the filtered state had which was read last
}

// NewCatalog returns the catalog of a dataset. It reads nothing yet.
func NewCatalog(store blob.Store, name dataset.Name) *Catalog {
	return &Catalog{
		store: store, name: name, logger: slog.New(slog.DiscardHandler), log: announce.Open(store, name),
		manifests: map[dataset.Digest]*blob.Manifest{},
		mappings:  map[dataset.Digest]*protomap.Mapping{},
		failures:  map[blob.Ref]int{},
	}
}

// Declared names the root type and its key fields for a dataset that declares
// no schema. What is empty is found: the only keyed type that nothing refers
// to, and its primary key.
type Declared struct {
	Root string
	Key  []string
	// Filter, if not nil, says what of a version is loaded. It is for a dataset that
	// declares a schema, all of whose key must be loaded.
	Filter *state.Filter
	// Indexes, if not nil, returns the indexes, by name, that the state of a View has
	// besides that by key. It is asked about each state that is read from a snapshot;
	// deltas bring them up to date. What it fails with, loading fails with.
	Indexes func(*state.State) (map[string]state.Index, error)
}

// Declare sets what is declared, before c is used, and returns c.
func (c *Catalog) Declare(d Declared) *Catalog {
	c.declared = d
	return c
}

// LogTo sets what Load says about broken blobs to, before c is used, and returns
// c. By default it says nothing.
func (c *Catalog) LogTo(l *slog.Logger) *Catalog {
	c.logger = l
	return c
}

// Name returns the dataset's name.
func (c *Catalog) Name() dataset.Name { return c.name }

// Manifest returns the manifest of that version and digest.
func (c *Catalog) Manifest(ctx context.Context, v dataset.Version, digest dataset.Digest) (*blob.Manifest, error) {
	c.mu.Lock()
	m := c.manifests[digest]
	c.mu.Unlock()
	if m != nil {
		return m, nil
	}
	m, err := blob.GetManifest(ctx, c.store, c.name, v, digest)
	if err != nil {
		return nil, err
	}
	c.remember(digest, m)
	return m, nil
}

// remember keeps a manifest. If there are too many, those of the oldest versions
// are forgotten, an eighth at once: who walks back over more than there is room
// for still finds the newest.
func (c *Catalog) remember(digest dataset.Digest, m *blob.Manifest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.manifests[digest] = m
	if len(c.manifests) <= maxManifests {
		return
	}
	age := func(a, b dataset.Digest) int { return cmp.Compare(c.manifests[a].Version, c.manifests[b].Version) }
	for _, old := range slices.SortedFunc(maps.Keys(c.manifests), age)[:maxManifests/8] {
		delete(c.manifests, old)
	}
}

// Before returns the manifest of the version before m, nil at the start.
func (c *Catalog) Before(ctx context.Context, m *blob.Manifest) (*blob.Manifest, error) {
	if m.Previous == dataset.None {
		return nil, nil
	}
	return c.Manifest(ctx, m.Previous, m.PreviousManifest)
}

// A Point is a version with the digest of its manifest.
type Point struct {
	Manifest *blob.Manifest
	Digest   dataset.Digest
}

// Head returns the newest announced version. It fails with ErrEmpty if there is
// none.
func (c *Catalog) Head(ctx context.Context, f announce.Fold) (Point, error) {
	if f.Head == dataset.None {
		return Point{}, fmt.Errorf("dataset %s: %w", c.name, ErrEmpty)
	}
	m, err := c.Manifest(ctx, f.Head, f.Manifest)
	return Point{m, f.Manifest}, err
}

// Find returns an announced version. It fails with ErrNoVersion if there is
// none, and with ErrPruned if it may have been one. What is found below the
// horizon may have lost its blobs nevertheless; LoadAt says so.
func (c *Catalog) Find(ctx context.Context, f announce.Fold, v dataset.Version) (Point, error) {
	if f.Head == dataset.None {
		return Point{}, fmt.Errorf("dataset %s: %w", c.name, ErrEmpty)
	}
	oldest := f.Head
	for at, err := range c.walk(ctx, f) {
		if err != nil {
			return Point{}, err
		}
		oldest = at.Version
		if at.Version == v {
			return Point{at.Manifest, at.Digest}, at.Lost
		}
		if at.Version < v {
			return Point{}, fmt.Errorf("dataset %s, version %s: %w", c.name, v, ErrNoVersion)
		}
	}
	if v < f.Horizon && v < oldest {
		return Point{}, fmt.Errorf("dataset %s, version %s: %w", c.name, v, maybePruned(f))
	}
	return Point{}, fmt.Errorf("dataset %s, version %s: %w", c.name, v, ErrNoVersion)
}

// Mapping returns the schema of that digest, nil for the zero digest. It knows
// which fields are not loaded.
func (c *Catalog) Mapping(ctx context.Context, digest dataset.Digest) (*protomap.Mapping, error) {
	if digest.IsZero() {
		return nil, nil
	}
	c.mu.Lock()
	m := c.mappings[digest]
	c.mu.Unlock()
	if m != nil {
		return m, nil
	}
	b, err := c.store.Get(ctx, blob.SchemaKey(c.name, digest))
	if err != nil {
		return nil, fmt.Errorf("read schema of dataset %s: %w", c.name, err)
	}
	if dataset.DigestOf(b) != digest {
		return nil, fmt.Errorf("read schema of dataset %s: %s: %w", c.name, digest, blob.ErrDigest)
	}
	if m, err = protomap.FromDescriptorSet(b); err == nil {
		m, err = m.Loaded(c.declared.Filter)
	}
	if err != nil {
		return nil, fmt.Errorf("read schema of dataset %s: %w", c.name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mappings[digest] = m
	return m, nil
}

// Load returns the view of a version. It starts from current, if that is not
// nil and deltas lead from it, and leaves it as it is. A blob that is missing or
// damaged is passed over if there is another way, at worst from an older
// snapshot, or back from a later one. It fails with ErrPruned if blobs that it
// needs are gone, and the log says that they may be.
func (c *Catalog) Load(ctx context.Context, current *View, target Point) (*View, error) {
	m, err := c.Mapping(ctx, target.Manifest.Schema)
	if err == nil {
		err = c.checkFilter(m)
	}
	if err != nil {
		return nil, fmt.Errorf("load %s@%s: %w", c.name, target.Manifest.Version, err)
	}
	s, err := c.load(ctx, current, target)
	if err != nil {
		return nil, fmt.Errorf("load %s@%s: %w", c.name, target.Manifest.Version, err)
	}
	v, err := c.declared.newView(target, s, m, current)
	if err != nil {
		return nil, fmt.Errorf("load %s@%s: %w", c.name, target.Manifest.Version, err)
	}
	return v, nil
}

// LoadAt finds a version, as Find does, and loads it, as Load does. It fails
// with ErrPruned if the version is below the horizon and its blobs are gone.
func (c *Catalog) LoadAt(ctx context.Context, f announce.Fold, v dataset.Version, current *View) (*View, error) {
	at, err := c.Find(ctx, f, v)
	if err != nil {
		return nil, err
	}
	return c.Load(ctx, current, at)
}

// load tries one plan after the other, each without the blobs that were found
// broken. If none works, what broke first is the error.
func (c *Catalog) load(ctx context.Context, current *View, target Point) (*state.State, error) {
	var first error
	broken := map[blob.Ref]bool{}
	before := func(m *blob.Manifest) (*blob.Manifest, error) {
		prev, err := c.Before(ctx, m)
		if announce.IsLost(err) {
			return nil, nil // pruned, or lost: the chain begins here
		}
		return without(prev, broken), err
	}
	after := func(m *blob.Manifest, most int) ([]*blob.Manifest, error) {
		after, err := c.after(ctx, m, most, first != nil)
		for i := range after {
			after[i] = without(after[i], broken)
		}
		return after, err
	}
	for {
		var from *blob.Manifest
		var s *state.State
		if current != nil {
			from, s = without(current.Manifest, broken), current.State
		}
		steps, err := Plan(from, without(target.Manifest, broken), Chain{before, after})
		if err != nil {
			return nil, c.whyGone(ctx, target.Manifest.Version, cmp.Or(first, err))
		}
		var step Step
		for _, step = range steps {
			if s, err = c.apply(ctx, s, step); err != nil {
				err = fmt.Errorf("%s of %s: %w", step.Kind, step.Of, err)
				broken[step.Blob] = true
				break
			}
		}
		if err == nil {
			return s, nil
		}
		if ctx.Err() == nil && errors.Is(err, blob.ErrNotFound) && c.below(ctx, step.Of) {
			continue // pruned: that is as it should be
		}
		first = cmp.Or(first, err)
		if ctx.Err() != nil || errors.Is(err, errUnreadable) || errors.Is(err, ErrMemory) || errors.Is(err, state.ErrNotBindable) || c.strict && from != nil {
			return nil, err
		}
		if c.detour != nil {
			c.detour(target.Manifest.Version, err)
		}
		c.logger.Warn("a blob is missing or damaged: trying another way", "dataset", c.name, "version", target.Manifest.Version, "error", err)
	}
}

// without returns m without references to broken blobs.
func without(m *blob.Manifest, broken map[blob.Ref]bool) *blob.Manifest {
	if m == nil || len(broken) == 0 {
		return m
	}
	out := *m
	for _, ref := range []**blob.Ref{&out.Snapshot, &out.Delta, &out.ReverseDelta} {
		if *ref != nil && broken[**ref] {
			*ref = nil
		}
	}
	return &out
}

// maxUnreadable is how often a blob cannot be read before it counts as broken.
const maxUnreadable = 3

// maxFailures bounds the blobs whose failures are counted.
const maxFailures = 1000

// unreadable counts a failure to read a blob, or its end, and says whether the
// store may yet answer.
func (c *Catalog) unreadable(ref blob.Ref, failed bool) (hope bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !failed {
		delete(c.failures, ref)
		return true
	}
	if len(c.failures) > maxFailures {
		clear(c.failures)
	}
	c.failures[ref]++
	return c.failures[ref] < maxUnreadable
}

// errUnreadable says that nothing is known about a blob, because the store did
// not answer.
var errUnreadable = errors.New("store does not answer")

func (c *Catalog) apply(ctx context.Context, s *state.State, step Step) (*state.State, error) {
	leave, err := c.fetches.enter(ctx, step.Kind)
	if err != nil {
		return nil, err
	}
	defer leave()
	key := blob.BlobKey(c.name, step.Of, step.Blob.Digest)
	if step.Kind == Snapshot {
		free, err := c.fetches.reserve(c.need(step.Blob))
		if err != nil {
			return nil, err
		}
		defer free()
		return c.readSnapshot(ctx, key, step.Blob)
	}
	data, err := blob.Get(ctx, c.store, key, step.Blob)
	if err := c.count(ctx, step.Blob, err); err != nil {
		return nil, err
	}
	return s.Apply(data)
}

// readSnapshot reads a snapshot without holding all of it in memory; what is damaged in
// the cache, once more from the store.
func (c *Catalog) readSnapshot(ctx context.Context, key string, ref blob.Ref) (*state.State, error) {
	of, ok := c.store.(cachedStore)
	cached := ok && of.cache.has(key)
	s, unread, err := c.decodeSnapshot(ctx, key, ref)
	if cached && unread != nil && ctx.Err() == nil {
		of.cache.check(key)
		if of.Store != nil { // others may have checked before, so that it is gone, or whole again
			s, unread, err = c.decodeSnapshot(ctx, key, ref)
		}
	}
	if unread := c.count(ctx, ref, unread); unread != nil {
		return nil, unread
	}
	if err == nil && ref.Size > 0 && c.declared.Filter != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.share = float64(s.Size()) / float64(ref.Size)
	}
	return s, err
}

// decodeSnapshot decodes a snapshot. unread is why not all of it could be read, or is
// what it should be.
func (c *Catalog) decodeSnapshot(ctx context.Context, key string, ref blob.Ref) (s *state.State, unread, err error) {
	r, err := blob.Stream(ctx, c.store, key, ref)
	if err != nil {
		return nil, err, nil
	}
	defer r.Close()
	data, unmap, ok := blob.Map(r)
	if !ok {
		s, err = state.ReadSnapshotFrom(r, ref.Size, c.declared.Filter)
		return s, blob.End(r), err
	}
	end := make(chan error, 1)
	go func() { end <- blob.End(r) }()
	s, err = state.ReadSnapshotMapped(data, c.declared.Filter)
	return s, errors.Join(<-end, unmap()), err
}

// count counts a failure to read a blob, or its end, and returns the error: with
// errUnreadable if the store may yet answer.
func (c *Catalog) count(ctx context.Context, ref blob.Ref, err error) error {
	failed := err != nil && ctx.Err() == nil && !announce.IsLost(err)
	if hope := c.unreadable(ref, failed); failed && hope {
		return fmt.Errorf("%w: %w", errUnreadable, err)
	}
	return err
}
