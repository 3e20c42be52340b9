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
// the types that only they lead to: what is loaded refers to nothing that is not. A
// field that a snapshot has not leaves nothing out; see Unknown.
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

// Unknown returns which of the fields that LeaveOut was told are in no schema.
func (f *Filter) Unknown(schemas map[string]*Schema) (names []string) {
	for _, name := range f.out {
		if s := schemas[name.typ]; s == nil || s.FieldIndex(name.field) < 0 {
			names = append(names, name.typ+"."+name.field)
		}
	}
	return names
}

// withoutFields returns what says whether a type or a field is loaded.
func withoutFields(out []fieldName, schemas []*Schema) func(typ, field string) bool {
	byName := map[string]*Schema{}
	inner := map[string]bool{} // types that others refer to
	for _, s := range schemas {
		byName[s.Name] = s
		for _, ref := range s.References() {
			inner[ref] = inner[ref] || ref != s.Name
		}
	}
	all, rest := map[string]bool{}, map[string]bool{}
	for _, s := range schemas {
		if !inner[s.Name] {
			reach(byName, s.Name, nil, all)
			reach(byName, s.Name, out, rest)
		}
	}
	return func(typ, field string) bool {
		if field != "" && slices.Contains(out, fieldName{typ, field}) {
			return false
		}
		return rest[typ] || !all[typ] // what leads to itself only stays
	}
}

// reach adds to seen the type of that name and those that it leads to, but not
// through the fields that are out.
func reach(schemas map[string]*Schema, name string, out []fieldName, seen map[string]bool) {
	s := schemas[name]
	if s == nil || seen[name] {
		return
	}
	seen[name] = true
	if s.Kind != Object {
		for _, ref := range s.References() {
			reach(schemas, ref, out, seen)
		}
		return
	}
	for _, f := range s.Fields {
		if f.Type == Reference && !slices.Contains(out, fieldName{name, f.Name}) {
			reach(schemas, f.Ref, out, seen)
		}
	}
}

// A Predicate says which records of a type are loaded. It is told the schema as it
// is loaded, once, and what it returns is asked about each record, by several
// goroutines: of a record it may read what lies in the record itself, and nothing
// that this refers to.
type Predicate func(*Schema) (func(Record) bool, error)

// Where returns a filter that loads what f does, but of one type only the records
// that the predicate says true of. They take no memory, and no entry in an index;
// what they alone referred to stays. f may be nil.
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
