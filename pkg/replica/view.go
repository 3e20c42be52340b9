package replica

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/diff"
	"github.com/holdfast-data/holdfast/pkg/state/index"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// A View is one version of a dataset, ready to be asked. It is immutable and
// safe for any number of readers.
type View struct {
	// Manifest says what the version is; its digest is ManifestDigest.
	Manifest       *blob.Manifest
	ManifestDigest dataset.Digest
	// State has the records.
	State *state.State
	// Mapping is the declared schema, or the derived one of a dataset that
	// declares none.
	Mapping *protomap.Mapping
	Derived bool
	// Index finds records of the root type by key.
	Index *index.Unique

	raw atomic.Bool // a replica has to settle the state
}

// NewView returns the view of a version that is not in a store yet. Its
// manifest may still be completed.
func NewView(m *blob.Manifest, s *state.State, mapping *protomap.Mapping) (*View, error) {
	return Declared{}.newView(Point{Manifest: m}, s, mapping, nil)
}

// newView indexes s. A dataset that declares no schema gets the derived one,
// which before has already if its types are the same. What d does not declare
// the manifest does.
func (d Declared) newView(at Point, s *state.State, mapping *protomap.Mapping, before *View) (*View, error) {
	if d.Root == "" && len(d.Key) == 0 {
		d.Root, d.Key = at.Manifest.Root, at.Manifest.Key
	}
	v := &View{Manifest: at.Manifest, ManifestDigest: at.Digest, Mapping: mapping}
	root := ""
	switch {
	case mapping != nil:
		root = mapping.Root()
	case before != nil && before.Derived && state.SameModel(before.State, s) && sameDeclared(before.Manifest, at.Manifest):
		v.Mapping, v.Derived, root = before.Mapping, true, before.Root().Schema().Name
	default:
		var err error
		if v.Mapping, root, err = d.derive(s); err != nil {
			return nil, err
		}
		v.Derived = true
	}
	x, ok := s.Index(primaryIndex).(*index.Unique)
	if !ok {
		var key []string // the type's own
		if v.Derived && len(d.Key) > 0 {
			key = d.Key
		}
		var err error
		if x, err = index.NewUnique(s, root, key); err != nil {
			return nil, fmt.Errorf("index %s: %w", root, err)
		}
		if s, err = d.withIndexes(s.WithIndex(primaryIndex, x)); err != nil {
			return nil, err
		}
		v.raw.Store(true)
	}
	v.State, v.Index = s, x
	return v, nil
}

// withIndexes returns s with the declared indexes.
func (d Declared) withIndexes(s *state.State) (*state.State, error) {
	if d.Indexes == nil {
		return s, nil
	}
	list, err := d.Indexes(s)
	if err != nil {
		return nil, fmt.Errorf("build indexes: %w", err)
	}
	for name, x := range list {
		if name == primaryIndex {
			return nil, fmt.Errorf("build indexes: the name %q is taken", name)
		}
		s = s.WithIndex(name, x)
	}
	return s, nil
}

func sameDeclared(a, b *blob.Manifest) bool {
	return a.Root == b.Root && slices.Equal(a.Key, b.Key)
}

// derive returns a mapping for the records of s, and its root type.
func (d Declared) derive(s *state.State) (*protomap.Mapping, string, error) {
	root := d.Root
	if root == "" {
		var err error
		if root, err = diff.RootType(s); err != nil {
			return nil, "", fmt.Errorf("%w: declare a schema, or root and key", err)
		}
	}
	schemas := s.Schemas()
	if t := schemas[root]; t != nil && len(d.Key) > 0 {
		keyed := *t
		keyed.Key = d.Key
		schemas = maps.Clone(schemas)
		schemas[root] = &keyed
	}
	m, err := protomap.Derived(schemas, root)
	return m, root, err
}

// Version returns the view's version.
func (v *View) Version() dataset.Version { return v.Manifest.Version }

// Root returns the type of the dataset's records.
func (v *View) Root() *state.Type { return v.Index.Type() }

// JSON returns a record of the root type as ProtoJSON on one line.
func (v *View) JSON(r state.Record) ([]byte, error) { return v.Mapping.JSON(r) }

// primaryIndex is the name of the index over the root type's key.
const primaryIndex = "primary"

// settle settles the state, once, if it was read from a snapshot.
func (v *View) settle(ctx context.Context) {
	if v == nil || !v.raw.Load() {
		return
	}
	v.State.Settle(ctx)
	if ctx.Err() == nil {
		v.raw.Store(false)
	}
}
