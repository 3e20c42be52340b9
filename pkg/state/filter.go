package state

import (
	"fmt"
	"strings"
)

// A Filter says which types, fields and records of a snapshot are loaded. It is
// resolved against the snapshot's schemas and then holds for its deltas. A nil
// Filter keeps everything. Filters do not change.
type Filter struct {
	rules  []filterRule // all is included if there is none
	config *configFilter
	out    []fieldName // fields that are left out, with what hangs on them
	keep   map[string]Predicate
}

type filterRule struct {
	include   bool
	recursive bool
	typ       string // "" means all types
	field     string // "" means the type as a whole
}

// configFilter is Hollow's older form: a list of what to keep or drop.
type configFilter struct {
	exclude bool
	types   map[string]bool
	fields  map[string]map[string]bool
}

// ParseFilter reads a filter: "rules:" and comma-separated operations
// includeAll, excludeAll, include, exclude, includeRecursive or
// excludeRecursive, each but the first two with ":Type" or ":Type.field",
// applied in order to a filter that includes all; or "config:" and the lines of
// Hollow's older filter text, joined by "|": INCLUDE or EXCLUDE, and then types and
// fields. As Hollow's, the rules load a field if
// they include its type as a whole: to leave out one field, exclude the type and
// include the others, or use [LeaveOut].
func ParseFilter(text string) (*Filter, error) {
	if list, ok := strings.CutPrefix(text, "config:"); ok {
		return parseConfigFilter(list)
	}
	list, ok := strings.CutPrefix(text, "rules:")
	if !ok {
		return nil, fmt.Errorf("parse filter %.40q: neither rules: nor config: comes first", text)
	}
	f := &Filter{rules: []filterRule{{include: true}}}
	for op := range strings.SplitSeq(list, ",") {
		name, target, _ := strings.Cut(op, ":")
		var rule filterRule
		rule.typ, rule.field, _ = strings.Cut(target, ".")
		name, rule.recursive = strings.CutSuffix(name, "Recursive")
		switch {
		case (op == "includeAll" || op == "excludeAll"):
			f.rules = []filterRule{{include: op == "includeAll"}}
			continue
		case name == "include" && rule.typ != "":
			rule.include = true
		case name == "exclude" && rule.typ != "":
		default:
			return nil, fmt.Errorf("parse filter: operation %.40q is not includeAll, excludeAll, include[Recursive]:TYPE[.FIELD] or exclude[Recursive]:TYPE[.FIELD]", op)
		}
		f.rules = append(f.rules, rule)
	}
	return f, nil
}

func parseConfigFilter(text string) (*Filter, error) {
	lines := strings.Split(text, "|")
	if lines[0] != "EXCLUDE" && lines[0] != "INCLUDE" {
		return nil, fmt.Errorf("parse filter: config: begins with %.40q: its first line is INCLUDE or EXCLUDE, the others are each TYPE or TYPE.FIELD", lines[0])
	}
	c := &configFilter{exclude: lines[0] == "EXCLUDE", types: map[string]bool{}, fields: map[string]map[string]bool{}}
	for _, line := range lines[1:] {
		typ, field, ok := strings.Cut(line, ".")
		switch {
		case typ == "":
		case !ok:
			c.types[typ] = true
		default:
			if c.fields[typ] == nil {
				c.fields[typ] = map[string]bool{}
			}
			c.fields[typ][field] = true
		}
	}
	return &Filter{config: c}, nil
}

// loadedType is what of a type is loaded.
type loadedType struct {
	schema *Schema
	keep   func(Record) bool // nil if all records are
}

// resolve returns what is loaded; a type that is left out is absent. It fails with
// what a predicate fails with.
func (f *Filter) resolve(schemas []*Schema) (map[string]loadedType, error) {
	out := map[string]loadedType{}
	if f == nil {
		for _, s := range schemas {
			out[s.Name] = loadedType{schema: s}
		}
		return out, nil
	}
	included := f.included(schemas)
	for _, s := range schemas {
		if !included(s.Name, "") {
			continue
		}
		own := *s
		own.Fields = nil
		for _, field := range s.Fields {
			if included(s.Name, field.Name) {
				own.Fields = append(own.Fields, field)
			}
		}
		t := loadedType{schema: &own}
		if bind := f.keep[s.Name]; bind != nil {
			var err error
			if t.keep, err = bind(&own); err != nil {
				return nil, fmt.Errorf("filter records of type %s: %w", s.Name, err)
			}
		}
		out[s.Name] = t
	}
	return out, nil
}

// included returns what says whether a type, if field is empty, or a field is
// loaded.
func (f *Filter) included(schemas []*Schema) func(typ, field string) bool {
	switch {
	case f.config != nil:
		return f.config.included
	case f.rules != nil:
		return resolveRules(f.rules, schemas)
	}
	return withoutFields(f.out, schemas)
}

func (c *configFilter) included(typ, field string) bool {
	fields := c.fields[typ]
	switch {
	case field == "" && c.exclude:
		return !c.types[typ]
	case field == "":
		return c.types[typ] || fields != nil
	case fields != nil:
		return fields[field] != c.exclude
	}
	return c.types[typ] != c.exclude
}

// actions of rules on one type: the last one on the whole type and on each
// field.
type actions struct {
	whole  *bool
	fields map[string]bool
}

// resolveRules plays the rules on every schema and returns the decision: a
// field is in if its whole type is, or itself.
func resolveRules(rules []filterRule, schemas []*Schema) func(typ, field string) bool {
	byName := map[string]*Schema{}
	acts := map[string]*actions{}
	for _, s := range schemas {
		byName[s.Name] = s
		acts[s.Name] = &actions{fields: map[string]bool{}}
	}
	for _, rule := range rules {
		for _, s := range schemas {
			if rule.typ == "" || rule.typ == s.Name {
				playRule(rule, s, byName, acts)
			}
		}
	}
	return func(typ, field string) bool {
		a := acts[typ]
		whole := a.whole != nil && *a.whole
		if field != "" {
			return whole || a.fields[field]
		}
		for _, in := range a.fields {
			whole = whole || in
		}
		return whole
	}
}

// playRule plays a rule on a type and, if it is recursive, on those that the type leads
// to. It does not recurse, as typeGraph.reach does not.
func playRule(rule filterRule, s *Schema, byName map[string]*Schema, acts map[string]*actions) {
	seen := map[string]bool{}
	field := rule.field // only of the first
	for list := []*Schema{s}; len(list) > 0; field = "" {
		s := list[len(list)-1]
		list = list[:len(list)-1]
		if s == nil || seen[s.Name] || s.Kind == Object && len(s.Fields) == 0 {
			continue
		}
		if field == "" {
			seen[s.Name] = true
			include := rule.include
			acts[s.Name].whole = &include
		}
		for _, name := range acts[s.Name].play(rule.include, s, field) {
			if rule.recursive {
				list = append(list, byName[name])
			}
		}
	}
}

// play includes or excludes a field, or all if it is empty, and returns the types that
// they refer to.
func (a *actions) play(include bool, s *Schema, field string) (next []string) {
	if s.Kind != Object {
		if field == "" {
			next = s.References()
		}
		return next
	}
	for _, f := range s.Fields {
		if field != "" && f.Name != field {
			continue
		}
		a.fields[f.Name] = include
		if f.Ref != "" {
			next = append(next, f.Ref)
		}
	}
	return next
}
