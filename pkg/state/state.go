package state

import (
	"maps"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// ErrCorrupt is the cause of every error about the bytes of a blob. The error
// itself names the section and the byte offset.
var ErrCorrupt = wire.ErrCorrupt

// Header is what a blob says about a state besides its records.
type Header struct {
	// Origin is the tag of the state that a delta starts from; of a snapshot,
	// the tag of the state before, -1 for the first of a chain.
	Origin int64
	// Tag names the state; deltas find their base by it.
	Tag int64
	// Tags are free key-value pairs.
	Tags map[string]string

	order []string // of the tags in the blob
}

// A State is the complete content of a dataset at one version. It is immutable
// and safe for any number of readers.
type State struct {
	header  Header
	types   []*Type // by name, in order of UTF-16 code units
	byName  map[string]*Type
	schemas map[string]*Schema
	indexes map[string]Index
}

// An Index answers look-ups in one state. It is immutable. Implementations are
// in package index.
type Index interface {
	// Next returns the index of next, which changes lead to. It must not touch
	// the receiver.
	Next(next *State, changes Changes) (Index, error)
}

func newState(h Header, types []*Type) *State {
	s := &State{header: h, byName: map[string]*Type{}, schemas: map[string]*Schema{}}
	for _, t := range types {
		own := *t
		own.state = s
		s.types = append(s.types, &own)
		s.byName[t.schema.Name] = &own
		s.schemas[t.schema.Name] = t.schema
	}
	slices.SortFunc(s.types, func(a, b *Type) int { return compareUTF16(a.schema.Name, b.schema.Name) })
	return s
}

// Header returns the state's header. Its tags must not be changed.
func (s *State) Header() Header { return s.header }

// Types returns the types by name. The slice must not be changed.
func (s *State) Types() []*Type { return s.types }

// Type returns the type of that name, or nil.
func (s *State) Type(name string) *Type { return s.byName[name] }

// Schemas returns the schemas by type name. The map must not be changed.
func (s *State) Schemas() map[string]*Schema { return s.schemas }

// WithIndex returns the same state with one more index, or with another in its
// place. Apply carries indexes over to the next state.
func (s *State) WithIndex(name string, x Index) *State {
	next := *s
	next.indexes = maps.Clone(s.indexes)
	if next.indexes == nil {
		next.indexes = map[string]Index{}
	}
	next.indexes[name] = x
	return &next
}

// WithoutIndexes returns the same state without its indexes, for who applies a
// delta only to look at the records that it leads to.
func (s *State) WithoutIndexes() *State {
	bare := *s
	bare.indexes = nil
	return &bare
}

// Index returns the index of that name, or nil.
func (s *State) Index(name string) Index { return s.indexes[name] }

// follow gives next the indexes of s, brought up to date.
func (s *State) follow(next *State, changes Changes) error {
	for name, x := range s.indexes {
		n, err := x.Next(next, changes)
		if err != nil {
			return err
		}
		if next.indexes == nil {
			next.indexes = map[string]Index{}
		}
		next.indexes[name] = n
	}
	return nil
}
