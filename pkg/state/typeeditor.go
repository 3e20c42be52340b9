package state

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// typeEditor is what an Editor knows of one type. Of the typeBuilder in it,
// live has the ordinals of the version that is being made, and added those that
// the base does not have, in any order.
type typeEditor struct {
	typeBuilder
	at    map[Ordinal]int // position in added
	refs  []uint32        // references and holds, by ordinal
	held  []uint64        // ordinals that are held
	loose []Ordinal       // came to life in this version: maybe nothing refers to them
	gone  []Ordinal       // of the base, that died in this version: some may be back

	children []*typeEditor // parts
	settled  int           // of loose, whose references are counted

	free   []Ordinal // holes in the emptiest pages, as they were when it was made; the next to be filled last
	below  Ordinal   // they are all below it
	filled int       // how many of them this version has taken
	holes  int       // how many more it may
	tail   Ordinal   // where other records go
	open   bool      // these are of this version
	grown  int       // records that the version before added
}

func newTypeEditor(s *Schema) *typeEditor {
	return &typeEditor{typeBuilder: typeBuilder{recordMaker: recordMaker{schema: s}, base: newType(s, 1)}, at: map[Ordinal]int{}}
}

// resolve finds what the schema names.
func (t *typeEditor) resolve(schemas map[string]*Schema, types map[string]*typeEditor) error {
	for _, name := range t.schema.References() {
		t.children = append(t.children, types[name])
	}
	return t.resolveHashKey(schemas)
}

// add adds the record whose content is in t.content.
func (t *typeEditor) add() (Ordinal, error) { return t.insert(t.content, contentHash(t.content)) }

// learn does nothing: NewEditor has made the base known.
func (t *typeEditor) learn() {}

func (t *typeEditor) askCandidate(hash uint32, _ int) {
	if at, ok := t.table.first(hash); ok {
		t.base.prefetch(Ordinal(at))
	}
}

// insert adds a record with that content and hash. What it refers to is to be
// counted if it comes to life, see Editor.settle.
func (t *typeEditor) insert(content []byte, hash uint32) (Ordinal, error) {
	if at, ok := t.table.find(hash, func(at int32) bool { return bytes.Equal(content, t.contentOf(Ordinal(at))) }); ok {
		o := Ordinal(at)
		if !t.has(o) {
			t.mark(o)
			t.loose = append(t.loose, o)
		}
		return o, nil
	}
	o := t.vacant()
	if o > MaxOrdinal {
		return NoOrdinal, fmt.Errorf("add %s: more than 2^29 ordinals: %w", t.schema.Name, ErrNotStorable)
	}
	k := len(t.added)
	if _, err := t.keep(o, content); err != nil {
		return NoOrdinal, err
	}
	t.at[o] = k
	t.table.add(hash, int32(o))
	t.room(o)
	t.mark(o)
	t.loose = append(t.loose, o)
	return o, nil
}

// isMissing is why a state cannot be edited that refers to o, which it does not have.
func (t *typeEditor) isMissing(o Ordinal) error {
	return fmt.Errorf("a record refers to %s %d: %w", t.schema.Name, o, ErrDangling)
}

// dangling fails with ErrDangling if a record is referred to that is not there.
func (t *typeEditor) dangling() error {
	for i, n := range t.refs {
		if o := Ordinal(i); n > 0 && !t.has(o) {
			return t.isMissing(o)
		}
	}
	return nil
}

// eachChild calls f for each record that one with this content refers to.
func (t *typeEditor) eachChild(content []byte, f func(*typeEditor, Ordinal)) {
	less := Ordinal(0)
	if t.schema.Kind == Object {
		less = 1
	}
	refs := t.references(content)
	for i := 0; len(refs) > 0; i++ {
		if i == len(t.children) {
			i = 0
		}
		if o := Ordinal(binary.LittleEndian.Uint32(refs)) - less; o >= 0 {
			f(t.children[i], o)
		}
		refs = refs[4:]
	}
}

// room makes refs long enough for o.
func (t *typeEditor) room(o Ordinal) {
	if n := int(o) + 1; n > len(t.refs) {
		t.refs = append(t.refs, make([]uint32, max(n-len(t.refs), len(t.refs)/4))...)
	}
}

func (t *typeEditor) unmark(o Ordinal) { t.live[o>>6] &^= 1 << (uint(o) & 63) }

func (t *typeEditor) isHeld(o Ordinal) bool {
	return int(o>>6) < len(t.held) && t.held[o>>6]>>(uint(o)&63)&1 != 0
}

func (t *typeEditor) setHeld(o Ordinal, held bool) {
	for len(t.held) <= int(o>>6) {
		t.held = append(t.held, 0)
	}
	if held {
		t.held[o>>6] |= 1 << (uint(o) & 63)
	} else {
		t.held[o>>6] &^= 1 << (uint(o) & 63)
	}
}

// contentOf returns the content of a record of the base or of this version,
// valid until the next call.
func (t *typeEditor) contentOf(o Ordinal) []byte {
	if !t.base.Populated(o) {
		return t.addedContent(t.at[o])
	}
	t.old = appendContent(t.old[:0], t.base.Record(o))
	return t.old
}

// Parts of a type's ordinals, in per cent, that may be free before holes are
// filled. Fresh pages cost one page for 16 records; filling pages that are a
// tenth empty costs ten copies a record.
const (
	maxHoles     = 10
	maxFastHoles = 20 // where each version changes many records
)

// vacant returns the ordinal for a new record. As long as few are free it goes
// behind all others, beside those that come with it; else into the emptiest
// pages. An ordinal that the base has is not free, as Hollow's deltas need.
func (t *typeEditor) vacant() Ordinal {
	if !t.open {
		t.begin()
	}
	if n := len(t.free); t.holes > 0 && n > 0 {
		o := t.free[n-1]
		t.free = t.free[:n-1]
		t.holes, t.filled = t.holes-1, t.filled+1
		return o
	}
	t.tail++
	return t.tail - 1
}

// begin decides where this version's records go.
func (t *typeEditor) begin() {
	t.open, t.tail = true, t.base.Max()+1
	t.holes = max(t.surplus(), 0)
	if t.tail < t.below { // the last records left: some of the holes are behind all others now
		t.free = t.free[:0]
	}
	if t.holes > len(t.free) {
		t.below = t.tail
		t.free = t.base.emptiest(t.free[:0], max(t.holes, int(t.tail)/searchShare))
	}
}

// searchShare is of which share of a type's ordinals the holes are looked for at
// once, for this version and the next ones: all pages are looked at for it.
const searchShare = 1024

// surplus returns how many of the base's holes to fill, so that not too many are
// left if this version removes as many records as the one before added. What
// changes fast may have more of them: its pages are emptier by the time that
// they are filled, and fewer are made anew.
func (t *typeEditor) surplus() int {
	all := int(t.tail)
	few := max(all*maxHoles/100, min(2*t.grown, all*maxFastHoles/100))
	return all - t.base.Len() + t.grown - few
}

// emptiest appends n free ordinals of a type's pages, or as many as there are: those
// of the emptiest pages last, each page's in descending order.
func (t *Type) emptiest(list []Ordinal, n int) []Ordinal {
	var pages [pageSize + 1][]Ordinal // first ordinals, by number of free ones
	last := t.Max() &^ (pageSize - 1)
	for first := Ordinal(0); first < last; first += pageSize {
		k := pageSize - bits.OnesCount16(t.liveBits(first))
		pages[k] = append(pages[k], first)
	}
	for k := pageSize; k > 0 && len(list) < n; k-- {
		for _, first := range pages[k] {
			if len(list) >= n {
				break
			}
			word := t.liveBits(first)
			for i := range Ordinal(pageSize) {
				if word>>uint(i)&1 == 0 {
					list = append(list, first+i)
				}
			}
		}
	}
	slices.Reverse(list)
	return list
}

// liveBits says which ordinals of the page that begins with first are
// populated.
func (t *Type) liveBits(first Ordinal) uint16 {
	return t.entry(first).live()
}

// build makes the type, without its tally. types has those that it refers to.
func (t *typeEditor) build(types map[string]*Type) (*Type, Change, error) {
	var c Change
	c.Removed = t.removed()
	for _, o := range t.added {
		if t.has(o) {
			c.Added = append(c.Added, o)
		}
	}
	if len(c.Added)+len(c.Removed) == 0 {
		return t.base, c, nil
	}
	slices.Sort(c.Added)
	next, err := t.base.apply(typeChange{
		removed: c.Removed, added: c.Added,
		loader: func() pageLoader {
			return func(b *pageBuilder, k, n, _ int) error {
				for _, o := range c.Added[k:n] {
					if err := t.load(b, slot(o), t.at[o], types); err != nil {
						return err
					}
				}
				return nil
			}
		},
	})
	return next, c, err
}

// removed returns the ordinals that the base has and this version has not.
func (t *typeEditor) removed() []Ordinal {
	slices.Sort(t.gone)
	t.gone = slices.Compact(t.gone)
	return slices.DeleteFunc(slices.Clone(t.gone), t.has)
}

// forget drops the contents of records that left, and of those that were added
// and are not in the version; then it is ready for the next one.
func (t *typeEditor) forget(removed []Ordinal) {
	for _, o := range removed {
		t.old = appendContent(t.old[:0], t.base.Record(o))
		t.table.remove(contentHash(t.old), int32(o))
	}
	for k, o := range t.added {
		if !t.has(o) {
			t.table.remove(contentHash(t.addedContent(k)), int32(o))
		}
	}
	clear(t.at)
	t.added, t.places = t.added[:0], t.places[:0]
	t.arena.reset()
	t.loose, t.gone, t.settled = t.loose[:0], t.gone[:0], 0
	t.filled, t.open = 0, false
}
