package replica

import (
	"fmt"

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
	// Mapping is the declared schema, nil if the dataset has none.
	Mapping *protomap.Mapping
	// Index finds records of the root type by key.
	Index *index.Unique
}

// NewView returns the view of a version that is not in a store yet. Its
// manifest may still be completed.
func NewView(m *blob.Manifest, s *state.State, mapping *protomap.Mapping) (*View, error) {
	s, x, err := withIndex(s, mapping)
	if err != nil {
		return nil, err
	}
	return &View{Manifest: m, State: s, Mapping: mapping, Index: x}, nil
}

// Version returns the view's version.
func (v *View) Version() dataset.Version { return v.Manifest.Version }

// Root returns the type of the dataset's records.
func (v *View) Root() *state.Type { return v.Index.Type() }

// JSON returns a record of the root type as ProtoJSON on one line.
func (v *View) JSON(r state.Record) ([]byte, error) { return v.Mapping.JSON(r) }

// primaryIndex is the name of the index over the root type's key.
const primaryIndex = "primary"

// withIndex returns s with the index over its root type, and the index.
func withIndex(s *state.State, m *protomap.Mapping) (*state.State, *index.Unique, error) {
	if x, ok := s.Index(primaryIndex).(*index.Unique); ok {
		return s, x, nil
	}
	root := ""
	if m != nil {
		root = m.Root()
	} else if name, err := diff.RootType(s); err != nil {
		return nil, nil, fmt.Errorf("%w: declare a schema", err)
	} else {
		root = name
	}
	x, err := index.NewUnique(s, root, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("index %s: %w", root, err)
	}
	return s.WithIndex(primaryIndex, x), x, nil
}
