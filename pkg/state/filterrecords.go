package state

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// fieldName names a field of an OBJECT type.
type fieldName struct{ typ, field string }

// LeaveOut returns a filter that leaves out fields, each written Type.field, and
// the types that only they lead to: what is loaded refers to nothing that is not. Of types
// in a circle that no other type leads to, those with a key stay, or else the first by
// name. A field that a snapshot has not leaves nothing out; see Unknown.
func LeaveOut(fields ...string) (*Filter, error) {
	f := &Filter{}
	for _, name := range fields {
		typ, field, ok := strings.Cut(name, ".")
		if !ok || typ == "" || field == "" || strings.Contains(field, ".") {
			return nil, fmt.Errorf("leave out %.80q: it is not Type.field", name)
		}
		f.out = append(f.out, fieldName{typ, field})
	}
	return f, nil
}

// Schemas returns the schemas of what is loaded of a blob with these.
func (f *Filter) Schemas(schemas []*Schema) (map[string]*Schema, error) {
	loaded, err := f.resolve(schemas)
	if err != nil {
		return nil, err
	}
	out := make(map[string]*Schema, len(loaded))
	for name, t := range loaded {
		out[name] = t.schema
	}
	return out, nil
}

// Unknown returns which of the fields that LeaveOut was told are in no schema.
func (f *Filter) Unknown(schemas map[string]*Schema) (names []string) {
	if f == nil {
		return nil
	}
	for _, name := range f.out {
		if s := schemas[name.typ]; s == nil || s.FieldIndex(name.field) < 0 {
			names = append(names, name.typ+"."+name.field)
		}
	}
	return names
}

// Shared returns which of the fields that LeaveOut was told refer to a type that is
// loaded all the same, because of others: they free little.
func (f *Filter) Shared(schemas map[string]*Schema) (names []string) {
	if f == nil {
		return nil
	}
	loaded := withoutFields(f.out, slices.Collect(maps.Values(schemas)))
	for _, name := range f.out {
		s := schemas[name.typ]
		if s == nil || !loaded(name.typ, "") {
			continue
		}
		if i := s.FieldIndex(name.field); i >= 0 && s.Fields[i].Ref != "" && loaded(s.Fields[i].Ref, "") {
			names = append(names, name.typ+"."+name.field)
		}
	}
	return names
}

// withoutFields returns what says whether a type or a field is loaded.
func withoutFields(out []fieldName, schemas []*Schema) func(typ, field string) bool {
	g := typeGraph{schemas: map[string]*Schema{}, out: map[fieldName]bool{}}
	schemas = SortSchemas(schemas) // the first type of a circle is not that of a blob's order
	for _, s := range schemas {
		g.schemas[s.Name] = s
	}
	none := typeGraph{schemas: g.schemas}
	for _, name := range out {
		g.out[name] = true
	}
	all, rest := map[string]bool{}, map[string]bool{}
	for _, name := range none.roots(schemas) {
		if !all[name] {
			none.reach(name, all)
			g.reach(name, rest)
		}
	}
	return func(typ, field string) bool {
		return rest[typ] && !g.out[fieldName{typ, field}]
	}
}

// typeGraph is which types refer to which, but through the fields that are out.
type typeGraph struct {
	schemas map[string]*Schema
	out     map[fieldName]bool
}

// refs returns the types that a type refers to.
func (g typeGraph) refs(name string) (refs []string) {
	s := g.schemas[name]
	switch {
	case s == nil:
		return nil
	case s.Kind != Object:
		return s.References()
	}
	for _, f := range s.Fields {
		if f.Type == Reference && !g.out[fieldName{name, f.Name}] {
			refs = append(refs, f.Ref)
		}
	}
	return refs
}

// reach adds to seen the type of that name and those that it leads to, and returns
// them so that a type comes after those that it leads to, but in circles. A blob can
// have types that lead from one to the next millions of times: it does not recurse.
func (g typeGraph) reach(name string, seen map[string]bool) (order []string) {
	type step struct {
		name string
		refs []string // that are left
	}
	if seen[name] || g.schemas[name] == nil {
		return nil
	}
	seen[name] = true
	for stack := []step{{name, g.refs(name)}}; len(stack) > 0; {
		top := &stack[len(stack)-1]
		if len(top.refs) == 0 {
			order = append(order, top.name)
			stack = stack[:len(stack)-1]
			continue
		}
		next := top.refs[0]
		top.refs = top.refs[1:]
		if !seen[next] && g.schemas[next] != nil {
			seen[next] = true
			stack = append(stack, step{next, g.refs(next)})
		}
	}
	return order
}

// roots returns all types in an order in which a type that none before it leads to
// is one that nothing leads to, or one of a circle that nothing else leads to, and
// there one with a key, if there is one (the first half of Kosaraju's algorithm for
// strongly connected components).
func (g typeGraph) roots(schemas []*Schema) []string {
	seen := map[string]bool{}
	var order []string
	for _, keyed := range []bool{true, false} {
		for _, s := range schemas {
			if (len(s.Key) > 0) == keyed {
				order = append(order, g.reach(s.Name, seen)...)
			}
		}
	}
	slices.Reverse(order)
	return order
}

// A Predicate says which records of a type are loaded. It is told the schema as it
// is loaded, once, and what it returns is asked about each record, by several
// goroutines: of a record it may read what lies in the record itself, and nothing
// that this refers to. Reading a snapshot fails with what it fails with. It must not
// panic: the goroutines are not the caller's, who could not recover.
type Predicate func(*Schema) (func(Record) bool, error)

// Where returns a filter that loads what f does, but of one type only the records
// that the predicate says true of. The others take no memory, and no entry in an
// index. What they alone referred to stays, and what refers to them refers to what
// is not there: it is for types that nothing refers to. It takes the place of another
// predicate for the type, and has no effect if the type is not loaded. f may be nil.
func (f *Filter) Where(typeName string, p Predicate) *Filter {
	own := Filter{}
	if f != nil {
		own = *f
	}
	if own.keep = maps.Clone(own.keep); own.keep == nil {
		own.keep = map[string]Predicate{}
	}
	own.keep[typeName] = p
	return &own
}
