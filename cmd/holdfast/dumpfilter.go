package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/holdfast-data/holdfast/internal/daemon"
	"github.com/holdfast-data/holdfast/pkg/state"
)

// A dumpFilter is the filter of a dump, and how it is written: what of it is
// without effect is more often a mistake than what somebody wants.
type dumpFilter struct {
	text   string
	filter *state.Filter
}

// warn says which parts of the filter have no effect on a snapshot: they name what
// its schemas do not have, or exclude a field of a type that is included as a
// whole, which Hollow's rules load all the same.
func (d dumpFilter) warn(w io.Writer, snapshot []byte) {
	_, schemas, err := state.ReadHeader(snapshot)
	if err != nil || len(schemas) == 0 {
		return // an old blob says nothing of its types before they are read
	}
	for _, part := range d.parts() {
		if hint := unknownPart(part.target, schemas); hint != "" {
			_ = printLine(w, "The filter names %s, which the snapshot does not have%s", part.target, hint)
		} else if part.excludesField && d.idle(part, schemas) {
			typ, _, _ := strings.Cut(part.target, ".")
			_ = printLine(w, "The filter's %s has no effect, because %s is included as a whole: exclude the type, and include its other fields.", part.text, typ)
		}
	}
}

// A filterPart is one operation of rules, or one line of a list.
type filterPart struct {
	text          string
	target        string // TYPE[.FIELD]
	excludesField bool
}

// parts returns the operations and lines that name a type or field.
func (d dumpFilter) parts() (out []filterPart) {
	if list, ok := strings.CutPrefix(d.text, "config:"); ok {
		for _, line := range strings.Split(list, "|")[1:] {
			if line != "" {
				out = append(out, filterPart{text: line, target: line})
			}
		}
		return out
	}
	for op := range strings.SplitSeq(strings.TrimPrefix(d.text, "rules:"), ",") {
		if name, target, ok := strings.Cut(op, ":"); ok {
			out = append(out, filterPart{op, target, strings.HasPrefix(name, "exclude") && strings.Contains(target, ".")})
		}
	}
	return out
}

// idle says whether rules load a field that an operation excludes, and the same as
// without that.
func (d dumpFilter) idle(part filterPart, schemas []*state.Schema) bool {
	ops := strings.Split(strings.TrimPrefix(d.text, "rules:"), ",")
	ops = slices.DeleteFunc(ops, func(x string) bool { return x == part.text })
	without, err := state.ParseFilter("rules:" + strings.Join(append([]string{"includeAll"}, ops...), ","))
	if err != nil {
		return false
	}
	a, errA := d.filter.Schemas(schemas)
	b, errB := without.Schemas(schemas)
	if errA != nil || errB != nil {
		return false
	}
	typ, field, _ := strings.Cut(part.target, ".")
	return a[typ] != nil && a[typ].FieldIndex(field) >= 0 && maps.EqualFunc(a, b, func(x, y *state.Schema) bool { return slices.Equal(x.Fields, y.Fields) })
}

// unknownPart says of a type or field that is not among the schemas what may be
// meant; it is empty if the target is there.
func unknownPart(target string, schemas []*state.Schema) string {
	typ, field, ofField := strings.Cut(target, ".")
	var names []string
	for _, s := range schemas {
		if s.Name != typ {
			names = append(names, s.Name)
			continue
		}
		if !ofField || s.FieldIndex(field) >= 0 {
			return ""
		}
		names = nil
		for _, f := range s.Fields {
			names = append(names, f.Name)
		}
		return ": " + meantExactly(field, names)
	}
	return ": " + meantExactly(typ, names)
}

// meantExactly is meant for names that are not in lower case.
func meantExactly(name string, there []string) string {
	lower := map[string]string{}
	for _, x := range there {
		lower[strings.ToLower(x)] = x
	}
	if near := daemon.Nearest(name, slices.Sorted(maps.Keys(lower))); near != "" {
		return fmt.Sprintf("did you mean %s?", lower[near])
	}
	return meant(name, there)
}
