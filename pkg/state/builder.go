package state

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// A Builder makes the next version of a state out of all its records: those
// that are not added are not in it. Records are deduplicated by content; one
// that the base has keeps its ordinal, and its page if its neighbours stay too.
// An ordinal is given to another record only if no record of the base has it,
// as Hollow's deltas need. Children are added before the records that refer to
// them. A Builder is for one goroutine and one state; base stays as it is.
type Builder struct {
	adder[*typeBuilder]
	base *State
}

// NewBuilder starts a version with these schemas on top of base, which is nil
// for the first version of a chain.
func NewBuilder(base *State, schemas []*Schema) (*Builder, error) {
	b := &Builder{base: base}
	err := b.declare(schemas, func(s *Schema) *typeBuilder { return newTypeBuilder(s, base) })
	for i := 0; i < len(b.order) && err == nil; i++ {
		err = b.order[i].resolveHashKey(b.schemas)
	}
	if err != nil {
		return nil, fmt.Errorf("build state: %w", err)
	}
	return b, nil
}

// NewBatch returns an empty Batch for records of this Builder. Others may be
// asked for at the same time.
func (b *Builder) NewBatch() *Batch { return newBatch(&b.adder) }

// AddBatch adds the records of a Batch, which is then to be Reset. It gives the
// ordinals that they would have got one by one. Errors wrap ErrNotStorable; some
// records are added then, and some are not.
func (b *Builder) AddBatch(batch *Batch) error { return addBatch(&b.adder, batch) }

// Finish returns the state. Indexes of the base are carried over if the
// schemas are the same. The Builder must not be used any more.
func (b *Builder) Finish(h Header) (*State, error) {
	types := map[string]*Type{}
	changes := Changes{}
	var tallies sync.WaitGroup
	defer tallies.Wait()
	for t := range b.objectsFirst() {
		next, c, err := t.finish(types)
		if err != nil {
			return nil, fmt.Errorf("build state: %w", err)
		}
		types[t.schema.Name] = next
		if len(c.Added)+len(c.Removed) > 0 {
			changes[t.schema.Name] = c
		}
		tallies.Go(func() {
			if t.same {
				next.tallyFrom(t.base, c)
			} else {
				next.tally()
			}
		})
	}
	s := newState(h, slices.Collect(maps.Values(types)))
	tallies.Wait()
	s.chooseShards(b.base)
	if b.base == nil || !SameModel(b.base, s) {
		return s, nil
	}
	if err := b.base.follow(s, changes); err != nil {
		return nil, fmt.Errorf("build state: update index: %w", err)
	}
	return s, nil
}

// chooseShards gives the types that base does not have their shard counts.
func (s *State) chooseShards(base *State) {
	for _, t := range s.types {
		if base != nil && base.Type(t.schema.Name) != nil {
			continue
		}
		if t.shards = shardsFor(&typeTransition{next: t}); t.shards > 1 {
			t.tallyByShard()
		}
	}
}

// SameModel says whether two states have the same types with equal schemas, so
// that a replica can go from one to the other by a delta.
func SameModel(a, b *State) bool {
	return maps.EqualFunc(a.schemas, b.schemas, (*Schema).Equal)
}

// typeBuilder collects the records of one type.
type typeBuilder struct {
	recordMaker
	base *Type // nil if the base has no such type
	same bool  // base has this schema, so its records are candidates
	hash [][]Step

	known  bool // the table has the records of base
	table  contentTable
	live   []uint64 // ordinals added so far
	next   Ordinal  // no free ordinal is smaller
	added  []Ordinal
	places []uint32 // where they are in arena
	arena  contentArena
	old    []byte // scratch: content of a base record
}

func newTypeBuilder(s *Schema, base *State) *typeBuilder {
	t := &typeBuilder{recordMaker: recordMaker{schema: s}}
	if base != nil {
		t.base = base.Type(s.Name)
	}
	t.same = t.base != nil && t.base.schema.Equal(s)
	return t
}

func (t *typeBuilder) has(o Ordinal) bool {
	return o >= 0 && int(o>>6) < len(t.live) && t.live[o>>6]>>(uint(o)&63)&1 != 0
}

func (t *typeBuilder) mark(o Ordinal) {
	for len(t.live) <= int(o>>6) {
		t.live = append(t.live, 0)
	}
	t.live[o>>6] |= 1 << (uint(o) & 63)
}

// add adds the record whose content is in t.content.
func (t *typeBuilder) add() (Ordinal, error) {
	t.learn()
	return t.insert(t.content, contentHash(t.content))
}

// insert adds a record with that content and hash. The base must be known.
func (t *typeBuilder) insert(content []byte, hash uint32) (Ordinal, error) {
	if at, ok := t.table.find(hash, func(at int32) bool { return bytes.Equal(content, t.contentAt(at)) }); ok {
		if at < 0 {
			o, _ := t.arena.get(uint32(^at))
			return o, nil
		}
		t.mark(Ordinal(at))
		return Ordinal(at), nil
	}
	for t.base != nil && t.base.Populated(t.next) {
		t.next++
	}
	o := t.next
	if o > MaxOrdinal {
		return NoOrdinal, fmt.Errorf("add %s: more than 2^29 ordinals: %w", t.schema.Name, ErrNotStorable)
	}
	at, err := t.keep(o, content)
	if err != nil {
		return NoOrdinal, err
	}
	t.next++
	t.mark(o)
	t.table.add(hash, ^int32(at))
	return o, nil
}

func (t *typeBuilder) ask(hash uint32) { t.table.ask(hash) }

func (t *typeBuilder) askCandidate(hash uint32, n int) {
	switch at, ok := t.table.first(hash); {
	case !ok:
	case at < 0:
		t.arena.ask(uint32(^at), n)
	default:
		t.base.prefetch(Ordinal(at))
	}
}

// keep stores the content of the added record o.
func (t *typeBuilder) keep(o Ordinal, content []byte) (at uint32, err error) {
	at, ok := t.arena.add(o, content)
	if !ok {
		return 0, fmt.Errorf("add %s: more than 8 GiB of new records: %w", t.schema.Name, ErrNotStorable)
	}
	t.added, t.places = append(t.added, o), append(t.places, at)
	return at, nil
}

// learn puts the records of the base into the table, at the first call.
func (t *typeBuilder) learn() {
	if t.known {
		return
	}
	t.known = true
	if !t.same {
		return
	}
	t.table.reserve(t.base.Len())
	for o := range t.base.Ordinals() {
		t.old = appendContent(t.old[:0], t.base.Record(o))
		t.table.add(contentHash(t.old), int32(o))
	}
}

// contentAt returns the content of a record of the table, valid until the next
// call.
func (t *typeBuilder) contentAt(at int32) []byte {
	if at >= 0 {
		t.old = appendContent(t.old[:0], t.base.Record(Ordinal(at)))
		return t.old
	}
	_, content := t.arena.get(uint32(^at))
	return content
}

// addedContent returns the content of the k'th added record.
func (t *typeBuilder) addedContent(k int) []byte {
	_, content := t.arena.get(t.places[k])
	return content
}

// finish makes the type, without its tally. types has those that it refers to.
func (t *typeBuilder) finish(types map[string]*Type) (*Type, Change, error) {
	c := Change{Added: t.added}
	from := newType(t.schema, 1)
	if t.base != nil {
		from.shards = t.base.shards
		for o := range t.base.Ordinals() {
			if !t.has(o) {
				c.Removed = append(c.Removed, o)
			}
		}
	}
	if t.same {
		from = t.base
	}
	next, err := from.apply(typeChange{
		removed: c.Removed, added: c.Added,
		loader: func() pageLoader {
			return func(b *pageBuilder, k, n, _ int) error {
				for ; k < n; k++ {
					if err := t.load(b, slot(t.added[k]), k, types); err != nil {
						return err
					}
				}
				return nil
			}
		},
	})
	return next, c, err
}

// load sets slot i to the k'th added record. Several goroutines may call it.
func (t *typeBuilder) load(b *pageBuilder, i, k int, types map[string]*Type) error {
	content, kind := t.addedContent(k), t.schema.Kind
	if kind == Object {
		b.loadContent(content, i)
		return nil
	}
	b.entries = appendContentEntries(b.entries[:0], content, kind)
	if kind != List {
		if err := t.place(b.entries, types); err != nil {
			return err
		}
	}
	b.lists.set(i, b.entries)
	return nil
}
