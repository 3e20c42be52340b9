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
		return x, fmt.Errorf("index: %w", noType(typeName))
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
	x.tree, _ = x.tree.apply(x.all())
	return x, nil
}

func (x *inverted) bind(s *state.State, typeName string) {
	x.t = s.Type(typeName)
	x.plan = bindPlan(s, x.routes)
}

// next is Next of the indexes.
func (x *inverted) next(next *state.State, changes state.Changes) (inverted, error) {
	name := x.t.Schema().Name
	if next.Type(name) == nil || !followable(x.t.State(), next, x.through(), changes) {
		return newInverted(next, name, x.paths, x.sorted)
	}
	n := *x
	n.bind(next, name)
	c := changes[name]
	if len(c.Removed)+len(c.Added) == 0 {
		return n, nil
	}
	var ok bool
	if n.tree, ok = x.tree.apply(x.exchanged(&n, c)); !ok { // not regular: a key had changed
		return newInverted(next, name, x.paths, x.sorted)
	}
	return n, nil
}

// through returns the types that the key's paths lead through.
func (x *inverted) through() []string {
	var names []string
	for _, route := range x.routes {
		for _, h := range route {
			names = append(names, h.typeName)
		}
	}
	return names
}

// check fails with ErrKey unless the values fit the key's parts.
func (x *inverted) check(key []state.Value) error { return checkKey(x.t, x.paths, x.types, key) }

func (x *inverted) fits(key []state.Value) bool {
	if len(key) != len(x.types) {
		return false
	}
	for i, v := range key {
		if !v.IsNull() && v.Type() != x.types[i] {
			return false
		}
	}
	return true
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
