package compare

import (
	"slices"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// scope knows what of the records of a root type a diff can find changed: all
// fields but those of the key.
type scope struct {
	types map[string]*state.Schema
	root  *state.Schema // nil if the type is not there
	key   []string      // field paths, as a diff has them
}

func newScope(schemas []*state.Schema, root string) *scope {
	s := &scope{types: map[string]*state.Schema{}}
	for _, t := range schemas {
		s.types[t.Name] = t
	}
	if s.root = s.types[root]; s.root == nil {
		return s
	}
	for _, k := range s.root.Key {
		if !hasPath(schemas, root, k) {
			k = strings.TrimSuffix(k, ".value") // a key names what a diff passes over
		}
		s.key = append(s.key, k)
	}
	return s
}

// ComparesNothing says whether the rules ignore every field of the root type, at
// whatever depth, that is not of the key, so that records which differ would be
// called the same. That a message is there, how many elements a list has and
// which keys a map has are no fields.
func (r Rules) ComparesNothing(root string, schemas []*state.Schema) bool {
	s := newScope(schemas, root)
	return s.holds("", nil) && !s.holds("", r.Ignore)
}

// holds says whether there is a field at a path or below it that is neither of
// the key nor ignored; "" is the path of the root.
func (s *scope) holds(at string, ignore []string) bool {
	return s.root != nil && s.object(s.root, "", search{at, slices.Concat(s.key, ignore)})
}

// search is what a scope is asked.
type search struct {
	at   string
	left []string // paths that are left out, each with all below it
}

// passes says whether nothing at a path, or below it, is looked for.
func (q search) passes(path string) bool {
	return slices.ContainsFunc(q.left, func(p string) bool { return contains(p, path) }) ||
		q.at != "" && !contains(q.at, path) && !contains(path, q.at)
}

// whole says whether all that is at a path, and below it, is looked for. Types
// may be recursive, so that the answer must not need a look at what is below.
func (q search) whole(path string) bool {
	return !slices.ContainsFunc(q.left, func(p string) bool { return contains(path, p) }) && (q.at == "" || contains(q.at, path))
}

// object looks at the fields of a type that stands at a path.
func (s *scope) object(t *state.Schema, path string, q search) bool {
	return slices.ContainsFunc(t.Fields, func(f state.Field) bool {
		at := f.Name
		if path != "" {
			at = path + "." + at
		}
		if f.Type != state.Reference {
			return !q.passes(at)
		}
		return s.referred(f.Ref, at, q)
	})
}

// referred looks at a type that stands at a path, below the root.
func (s *scope) referred(name, path string, q search) bool {
	t := s.types[name]
	switch {
	case q.passes(path):
		return false
	case t == nil || wraps(t) || q.whole(path):
		return true
	case t.Kind == state.Object:
		return s.object(t, path, q)
	case t.Kind == state.Set: // its elements are not told apart
		return !q.passes(path + "[]")
	}
	return s.referred(elementOf(t), path+"[]", q)
}

// elementOf returns the type of what a LIST or SET has, or of a MAP's values.
func elementOf(t *state.Schema) string {
	if t.Kind == state.Map {
		return t.Value
	}
	return t.Element
}
