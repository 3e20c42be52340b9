package state

import (
	"bytes"

	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// A Matcher says whether a record of one state and a record of another say the
// same, as Hasher.Sum does, but sooner: it reads both side by side, stops at the
// first difference, and remembers which records it has found to be the same. It
// is for one goroutine.
type Matcher struct {
	types   map[*Type]*matchedType // by the type in the first state
	steps   int                    // left for the comparison under way
	deepest int                    // how deep it has come, of the record under way and what that refers to
}

// matchedType is one type of both states.
type matchedType struct {
	a, b     *Type       // b is nil if the second state has none of the name
	numbers  []fieldPair // fields that are neither references nor texts
	texts    []fieldPair
	refs     []fieldPair
	alone    [2][]int         // fields of a and of b that the other does not have: null, if records are the same
	parts    [2]*matchedType  // of the entries of a collection
	partners []*partnersChunk // by ordinal of a
}

// fieldPair is a field that has one name and one type in both schemas.
type fieldPair struct {
	a, b  int          // its number
	child *matchedType // nil if it is no reference, or leads to types of different names
}

// partnersChunk is which record of the other state is the same, plus one, 0 if
// none is known, and the number of records on the longest chain of references from it.
type partnersChunk struct {
	ordinals [chunkOrdinals]Ordinal
	heights  [chunkOrdinals]uint8
}

const (
	// maxSteps bounds how many pairs of records one comparison looks at: SETs in
	// SETs could be paired in very many ways.
	maxSteps = 1 << 16
	// maxPaired is the number of entries up to which a SET or MAP is paired entry
	// by entry.
	maxPaired = 64
)

// outcome is what a comparison found out.
type outcome uint8

const (
	unknown   outcome = iota // a Hasher knows, or why it cannot be known
	same                     // nothing differs
	different                // something does
)

// NewMatcher returns a Matcher of two states, whose models may differ: types and
// fields are matched by name, and a null field is as good as none.
func NewMatcher(a, b *State) *Matcher {
	m := &Matcher{types: map[*Type]*matchedType{}}
	for _, t := range a.types {
		m.types[t] = &matchedType{a: t, b: b.byName[t.schema.Name]}
	}
	for t, pair := range m.types {
		if pair.b == nil || pair.b.schema.Kind != t.schema.Kind {
			continue
		}
		pair.matchFields(func(x, y string) *matchedType {
			if x != y {
				return nil
			}
			return m.types[a.byName[x]]
		})
	}
	return m
}

// matchFields pairs the fields of two types of one kind, and what they refer to.
func (t *matchedType) matchFields(child func(x, y string) *matchedType) {
	x, y := t.a.schema, t.b.schema
	t.parts = [2]*matchedType{child(x.Element, y.Element), child(x.Value, y.Value)}
	paired := make([]bool, len(y.Fields))
	for f, field := range x.Fields {
		g := y.FieldIndex(field.Name)
		if g < 0 || y.Fields[g].Type != field.Type {
			t.alone[0] = append(t.alone[0], f)
			continue
		}
		paired[g] = true
		switch p := (fieldPair{a: f, b: g}); {
		case field.Type == Reference:
			p.child = child(field.Ref, y.Fields[g].Ref)
			t.refs = append(t.refs, p)
		case field.Type.variable():
			t.texts = append(t.texts, p)
		default:
			t.numbers = append(t.numbers, p)
		}
	}
	for g := range paired {
		if !paired[g] {
			t.alone[1] = append(t.alone[1], g)
		}
	}
}

// Same says whether x, a record of the first state, and y, one of the second and
// of the type of the same name, say the same. It is not known of records that
// refer to what is not there, to themselves or too deep, which a Hasher has
// errors for, and of a few others.
func (m *Matcher) Same(x, y Record) (equal, known bool) {
	t := m.types[x.t]
	if t == nil || t.b != y.t {
		return false, false
	}
	m.steps, m.deepest = maxSteps, 0
	o := m.compare(t, x.Ordinal(), y.Ordinal(), 1)
	return o == same, o != unknown
}

func (m *Matcher) compare(t *matchedType, x, y Ordinal, depth int) outcome {
	if m.steps--; m.steps < 0 || depth > MaxDepth || t == nil {
		return unknown
	}
	if height := t.known(x, y); height > 0 {
		m.deepest = max(m.deepest, depth+height-1)
		if m.deepest > MaxDepth {
			return unknown
		}
		return same
	}
	if t.b == nil || t.b.schema.Kind != t.a.schema.Kind || !t.a.Populated(x) || !t.b.Populated(y) {
		return unknown
	}
	var o outcome
	before := m.deepest
	m.deepest = depth
	r, s := t.a.Record(x), t.b.Record(y)
	switch t.a.schema.Kind {
	case Object:
		o = m.compareFields(t, r, s, depth)
	case List:
		o = m.compareLists(t, r, s, depth)
	default:
		o = m.compareTables(t, r, s, depth)
	}
	if o == same {
		t.remember(x, y, m.deepest-depth+1)
	}
	m.deepest = max(m.deepest, before)
	return o
}

// known returns the height of x, 0 if it is not known that x and y are the same.
func (t *matchedType) known(x, y Ordinal) int {
	i := int(x >> chunkShift)
	if x < 0 || i >= len(t.partners) || t.partners[i] == nil || t.partners[i].ordinals[x%chunkOrdinals] != y+1 {
		return 0
	}
	return int(t.partners[i].heights[x%chunkOrdinals])
}

func (t *matchedType) remember(x, y Ordinal, height int) {
	i := int(x >> chunkShift)
	for i >= len(t.partners) {
		t.partners = append(t.partners, nil)
	}
	if t.partners[i] == nil {
		t.partners[i] = new(partnersChunk)
	}
	t.partners[i].ordinals[x%chunkOrdinals], t.partners[i].heights[x%chunkOrdinals] = y+1, uint8(height)
}

// compareFields compares two OBJECTs, what costs least first.
func (m *Matcher) compareFields(t *matchedType, r, s Record, depth int) outcome {
	p, q := r.page(), s.page()
	i, k := r.slot(), s.slot()
	for _, f := range t.numbers {
		if p.at(&p.lay.cols[f.a], i) != q.at(&q.lay.cols[f.b], k) {
			return different
		}
	}
	for _, f := range t.texts {
		if o := t.compareTexts(f, p, q, i, k); o != same {
			return o
		}
	}
	for side, r := range [...]Record{r, s} {
		for _, f := range t.alone[side] {
			if !r.IsNull(f) {
				return different
			}
		}
	}
	for _, f := range t.refs {
		x, y := r.Reference(f.a), s.Reference(f.b)
		switch {
		case x == NoOrdinal && y == NoOrdinal:
		case x == NoOrdinal || y == NoOrdinal:
			return different
		default:
			if o := m.compare(f.child, x, y, depth+1); o != same {
				return o
			}
		}
	}
	return same
}

// compareTexts compares a STRING or BYTES field of the records i and k of two
// pages.
func (t *matchedType) compareTexts(f fieldPair, p, q page, i, k int) outcome {
	x, xNull := p.span(f.a, i)
	y, yNull := q.span(f.b, k)
	switch {
	case xNull != yNull:
		return different
	case bytes.Equal(x, y):
		return same
	case t.a.schema.Fields[f.a].Type == String && (wire.IsRaw(x) || wire.IsRaw(y)):
		return unknown // some text has two raw forms
	}
	return different
}

// compareLists compares two LISTs element by element.
func (m *Matcher) compareLists(t *matchedType, r, s Record, depth int) outcome {
	p, q := r.page(), s.page()
	start, end := p.entries(r.slot())
	other, otherEnd := q.entries(s.slot())
	if end-start != otherEnd-other {
		return different
	}
	child := t.parts[0]
	if child == nil {
		return unknown
	}
	for i := start; i < end && child.b != nil; i++ { // so that waits for memory overlap
		x, y := Ordinal(p.entry(i, partElement)), Ordinal(q.entry(other+i-start, partElement))
		if child.known(x, y) == 0 {
			child.a.prefetch(x)
			child.b.prefetch(y)
		}
	}
	for i := start; i < end; i++ {
		x, y := Ordinal(p.entry(i, partElement)), Ordinal(q.entry(other+i-start, partElement))
		if o := m.compare(child, x, y, depth+1); o != same {
			return o
		}
	}
	return same
}

// compareTables compares two SETs or MAPs: it pairs each entry of one with one
// of the other that is the same. Which of several it takes makes no difference.
func (m *Matcher) compareTables(t *matchedType, r, s Record, depth int) outcome {
	n := r.Len()
	if n != s.Len() {
		return different
	}
	if n > maxPaired {
		return unknown
	}
	var taken uint64
	for i := range n {
		o := different
		for k := 0; k < n && o != same; k++ {
			// Entries often come in the same order.
			k := (i + k) % n
			if taken>>k&1 != 0 {
				continue
			}
			if o = m.compareEntries(t, r, i, s, k, depth); o == same {
				taken |= 1 << k
			} else if o == unknown {
				return unknown
			}
		}
		if o != same {
			return different
		}
	}
	return same
}

func (m *Matcher) compareEntries(t *matchedType, r Record, i int, s Record, k, depth int) outcome {
	if o := m.compare(t.parts[0], r.Element(i), s.Element(k), depth+1); o != same || t.a.schema.Kind != Map {
		return o
	}
	_, x := r.Entry(i)
	_, y := s.Entry(k)
	return m.compare(t.parts[1], x, y, depth+1)
}
