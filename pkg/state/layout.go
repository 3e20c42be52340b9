package state

import (
	"fmt"
	"maps"
	"slices"
)

// A Layout is what the bytes of Hollow's blobs depend on besides content: what
// Java's hash maps and registration order happen to give. A writer is free to
// choose; with the Layout of another blob it writes the same bytes.
type Layout struct {
	// Tags is the order of the header tags; those it lacks follow by name.
	Tags []string
	// Types is the order of the types; those it lacks follow in dependency
	// order.
	Types []string
	// Populated is the number of words that say which ordinals of a type are
	// populated in a snapshot; of a type that it lacks, the least that Java
	// would write.
	Populated map[string]int
}

// ReadLayout returns the layout of a snapshot or, with delta set, of a delta
// or reverse delta. Errors wrap ErrCorrupt.
func ReadLayout(data []byte, delta bool) (Layout, error) {
	h, frames, err := readBlob(data, nil, delta, nil)
	if err != nil {
		return Layout{}, fmt.Errorf("read layout: %w", err)
	}
	l := Layout{Tags: h.order, Populated: map[string]int{}}
	for _, f := range frames {
		l.Types = append(l.Types, f.schema.Name)
		if !delta {
			l.Populated[f.schema.Name] = int(f.live.Bits() / 64)
		}
	}
	return l, nil
}

// tags returns the names of the tags in order.
func (l Layout) tags(all map[string]string) []string {
	var out []string
	for _, name := range l.Tags {
		if _, ok := all[name]; ok && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// schemas returns the schemas in order.
func (l Layout) schemas(all map[string]*Schema) []*Schema {
	var out, rest []*Schema
	for _, name := range l.Types {
		if s := all[name]; s != nil && !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	for _, s := range all {
		if !slices.Contains(out, s) {
			rest = append(rest, s)
		}
	}
	return append(out, DependencyOrder(rest)...)
}

// populated returns the number of words for a type whose greatest ordinal is
// max.
func (l Layout) populated(name string, max Ordinal) int {
	const segment = 256 // words; Java's bit set grows by them
	least := (int(max) + segment*64) / (segment * 64) * segment
	if least == 0 {
		least = segment
	}
	if n, ok := l.Populated[name]; ok && n*64 > int(max) {
		return n
	}
	return least
}
