package index

import (
	"fmt"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// inverted is what Multi and Sorted have in common: a tree from the keys of the
// records to the records.
type inverted struct {
	t      *state.Type
	paths  []string
	routes [][]hop
	plan   *plan
	types  []state.FieldType // of the key's parts
	sorted bool              // keys are whole, and neither null nor NaN
	tree   tree
}

func newInverted(s *state.State, typeName string, paths []string, sorted bool) (inverted, error) {
	x := inverted{paths: slices.Clone(paths), sorted: sorted}
	if s.Type(typeName) == nil {
		return x, fmt.Errorf("index type %s: %w", typeName, state.ErrNotBindable)
	}
	if len(paths) == 0 {
		return x, fmt.Errorf("index type %s: no path is given: %w", typeName, ErrKey)
	}
	for _, path := range paths {
		route, err := resolveRoute(s.Schemas(), typeName, path)
		if err != nil {
			return x, fmt.Errorf("index type %s: %w", typeName, err)
		}
		end := route[len(route)-1]
		x.routes = append(x.routes, route)
		x.types = append(x.types, s.Type(end.typeName).Schema().Fields[end.via].Type)
	}
	x.bind(s, typeName)
	g := newGathering(&x, true)
	g.addAll(x.plan, slices.Collect(x.t.Ordinals()))
	x.tree, _ = x.tree.apply(g.changes(0))
	return x, nil
}

func (x *inverted) bind(s *state.State, typeName string) {
	x.t = s.Type(typeName)
	x.plan = bindPlan(s, x.routes)
}

// next is Next of the indexes.
func (x *inverted) next(next *state.State, changes state.Changes) (inverted, error) {
	name := x.t.Schema().Name
	if next.Type(name) == nil || !x.regular(changes) || !x.sameSchemas(next) {
		return newInverted(next, name, x.paths, x.sorted)
	}
	n := *x
	n.bind(next, name)
	c := changes[name]
	if len(c.Removed)+len(c.Added) == 0 {
		return n, nil
	}
	g := newGathering(x, false)
	g.addAll(x.plan, slices.DeleteFunc(slices.Clone(c.Removed), func(o state.Ordinal) bool { return !x.t.Populated(o) }))
	removed := len(g.stream)
	g.addAll(n.plan, c.Added)
	var ok bool
	if n.tree, ok = x.tree.apply(g.changes(removed)); !ok { // not regular: a key had changed
		return newInverted(next, name, x.paths, x.sorted)
	}
	return n, nil
}

// regular says whether the changes leave every populated record that is not
// removed as it is: only then are the keys of such records the same.
func (x *inverted) regular(changes state.Changes) bool {
	s := x.t.State()
	for _, route := range x.routes {
		for _, h := range route {
			t := s.Type(h.typeName)
			for _, o := range changes[h.typeName].Added {
				if t.Populated(o) {
					return false
				}
			}
		}
	}
	return true
}

func (x *inverted) sameSchemas(next *state.State) bool {
	for _, route := range x.routes {
		for _, h := range route {
			now := next.Type(h.typeName)
			if now == nil || !x.t.State().Type(h.typeName).Schema().Equal(now.Schema()) {
				return false
			}
		}
	}
	return true
}

// check fails with ErrKey unless the values fit the key's parts.
func (x *inverted) check(key []state.Value) error {
	if len(key) != len(x.types) {
		return fmt.Errorf("look up %s by %d values, its key has %d: %w", x.t.Schema().Name, len(key), len(x.types), ErrKey)
	}
	for i, v := range key {
		if !v.IsNull() && v.Type() != x.types[i] {
			return fmt.Errorf("look up %s by %v in place of %v %s: %w", x.t.Schema().Name, v.Type(), x.types[i], x.paths[i], ErrKey)
		}
	}
	return nil
}

func (x *inverted) fits(key []state.Value) bool {
	for i, v := range key {
		if !v.IsNull() && v.Type() != x.types[i] {
			return false
		}
	}
	return len(key) == len(x.types)
}

// code appends the tree's key for a key, or nothing if it is in no tree.
func (x *inverted) code(dst []byte, key []state.Value) []byte {
	if !x.sorted {
		return shorten(appendParts(dst, key))
	}
	if v := key[0]; v.IsNull() || !v.Equal(v) {
		return dst
	}
	return appendParts(dst, key)
}
