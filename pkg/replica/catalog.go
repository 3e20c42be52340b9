package replica

import (
	"context"
	"errors"
	"fmt"
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
	// ErrEmpty says that a dataset has announced nothing yet.
	ErrEmpty = errors.New("dataset has no version yet")
)

// A Catalog reads the versions of one dataset from a store. It remembers
// manifests and schemas, which never change. It is safe for concurrent use.
type Catalog struct {
	store    blob.Store
	name     dataset.Name
	declared Declared

	mu        sync.Mutex
	manifests map[dataset.Digest]*blob.Manifest
	mappings  map[dataset.Digest]*protomap.Mapping
}

// NewCatalog returns the catalog of a dataset. It reads nothing yet.
func NewCatalog(store blob.Store, name dataset.Name) *Catalog {
	return &Catalog{
		store: store, name: name,
		manifests: map[dataset.Digest]*blob.Manifest{},
		mappings:  map[dataset.Digest]*protomap.Mapping{},
	}
}

// Declared names the root type and its key fields for a dataset that declares
// no schema. What is empty is found: the only keyed type that nothing refers
// to, and its primary key.
type Declared struct {
	Root string
	Key  []string
}

// Declare sets what is declared, before c is used, and returns c.
func (c *Catalog) Declare(d Declared) *Catalog {
	c.declared = d
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
	c.mu.Lock()
	defer c.mu.Unlock()
	c.manifests[digest] = m
	return m, nil
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

// Find returns an announced version. It fails with ErrNoVersion.
func (c *Catalog) Find(ctx context.Context, f announce.Fold, v dataset.Version) (Point, error) {
	at, err := c.Head(ctx, f)
	for err == nil && at.Manifest.Version > v && at.Manifest.Previous != dataset.None {
		digest := at.Manifest.PreviousManifest
		at.Manifest, err = c.Before(ctx, at.Manifest)
		at.Digest = digest
	}
	if err == nil && at.Manifest.Version != v {
		err = fmt.Errorf("dataset %s, version %s: %w", c.name, v, ErrNoVersion)
	}
	return at, err
}

// History returns all announced versions, oldest first.
func (c *Catalog) History(ctx context.Context, f announce.Fold) ([]Point, error) {
	if f.Head == dataset.None {
		return nil, nil
	}
	var out []Point
	at, err := c.Head(ctx, f)
	for err == nil && at.Manifest != nil {
		out = append(out, at)
		digest := at.Manifest.PreviousManifest
		at.Manifest, err = c.Before(ctx, at.Manifest)
		at.Digest = digest
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return out, err
}

// Mapping returns the schema of that digest, nil for the zero digest.
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
	if m, err = protomap.FromDescriptorSet(b); err != nil {
		return nil, fmt.Errorf("read schema of dataset %s: %w", c.name, err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mappings[digest] = m
	return m, nil
}

// Load returns the view of a version. It starts from current, if that is not
// nil and deltas lead from it, and leaves it as it is.
func (c *Catalog) Load(ctx context.Context, current *View, target Point) (*View, error) {
	var from *blob.Manifest
	var s *state.State
	if current != nil {
		from, s = current.Manifest, current.State
	}
	steps, err := Plan(from, target.Manifest, func(m *blob.Manifest) (*blob.Manifest, error) { return c.Before(ctx, m) })
	if err != nil {
		return nil, fmt.Errorf("load %s@%s: %w", c.name, target.Manifest.Version, err)
	}
	for _, step := range steps {
		if s, err = c.apply(ctx, s, step); err != nil {
			return nil, fmt.Errorf("load %s@%s: %s of %s: %w", c.name, target.Manifest.Version, step.Kind, step.Of, err)
		}
	}
	m, err := c.Mapping(ctx, target.Manifest.Schema)
	if err != nil {
		return nil, fmt.Errorf("load %s@%s: %w", c.name, target.Manifest.Version, err)
	}
	v, err := c.declared.newView(target, s, m, current)
	if err != nil {
		return nil, fmt.Errorf("load %s@%s: %w", c.name, target.Manifest.Version, err)
	}
	return v, nil
}

func (c *Catalog) apply(ctx context.Context, s *state.State, step Step) (*state.State, error) {
	data, err := blob.Get(ctx, c.store, blob.BlobKey(c.name, step.Of, step.Blob.Digest), step.Blob)
	if err != nil {
		return nil, err
	}
	if step.Kind == Snapshot {
		return state.ReadSnapshot(data, state.ReadOptions{})
	}
	return s.Apply(data)
}
