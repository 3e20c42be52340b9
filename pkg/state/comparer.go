package state

import "github.com/holdfast-data/holdfast/pkg/state/internal/arena"

// A Comparer says which ordinals stand for the same record in two states of one
// model. It looks at each record once, and in versions of one chain only at what
// is not shared. It is for one goroutine.
type Comparer struct {
	types map[string]*comparedType
}

// comparedType is one type of both states.
type comparedType struct {
	a, b        *Type
	refs        []*comparedType // of an OBJECT's fields
	parts       [2]*comparedType
	known, same []uint64 // by ordinal
}

// NewComparer returns a Comparer of two states, or nil if they do not have the
// same model.
func NewComparer(a, b *State) *Comparer {
	if !SameModel(a, b) {
		return nil
	}
	c := &Comparer{types: map[string]*comparedType{}}
	for _, t := range a.types {
		c.types[t.schema.Name] = &comparedType{a: t, b: b.byName[t.schema.Name]}
	}
	for name, t := range c.types {
		s := a.schemas[name]
		for _, field := range s.Fields {
			t.refs = append(t.refs, c.types[field.Ref])
		}
		t.parts = [2]*comparedType{c.types[s.Element], c.types[s.Value]}
	}
	return c
}

// Same says whether ordinal o of the type stands for a record in both states
// and reads the same, down to ordinals and with all that it refers to. It may be
// false, too, of records that are nested more than MaxDepth deep, and of what they
// refer to.
func (c *Comparer) Same(typeName string, o Ordinal) bool {
	t := c.types[typeName]
	return t != nil && o >= 0 && t.compare(o, 1)
}

func (t *comparedType) compare(o Ordinal, depth int) bool {
	word, bit := int(o>>6), uint64(1)<<(uint(o)&63)
	if word < len(t.known) && t.known[word]&bit != 0 {
		return t.same[word]&bit != 0
	}
	x, y := t.a.entry(o), t.b.entry(o)
	if (x&y)>>slot(o)&1 == 0 || depth > MaxDepth {
		return false
	}
	same := arena.Same(&t.a.blocks, x.handle(), &t.b.blocks, y.handle()) || // see Unshared

		t.a.sameRecord(t.a.pageAt(x), t.b.pageAt(y), slot(o)) && t.sameChildren(t.a.Record(o), depth+1)
	for word >= len(t.known) {
		t.known, t.same = append(t.known, 0), append(t.same, 0)
	}
	t.known[word] |= bit
	if same {
		t.same[word] |= bit
	}
	return same
}

// sameChildren compares what a record refers to in both states.
func (t *comparedType) sameChildren(r Record, depth int) bool {
	if r.t.schema.Kind == Object {
		for f, child := range t.refs {
			if r.t.schema.Fields[f].Type != Reference {
				continue
			}
			if o := r.Reference(f); o != NoOrdinal && (child == nil || !child.compare(o, depth)) {
				return false
			}
		}
		return true
	}
	p := r.page()
	start, end := p.entries(r.slot())
	for ; start < end; start++ {
		for k, child := range t.parts {
			if k == 1 && r.t.schema.Kind != Map {
				break
			}
			if child == nil || !child.compare(Ordinal(p.entry(start, k)), depth) {
				return false
			}
		}
	}
	return true
}
