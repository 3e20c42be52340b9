package state

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
)

// An Editor makes versions out of changes: each costs what changed. It keeps,
// beside the newest state, which record has which content, and how often each
// one is referred to; records that nothing refers to and nobody holds leave the
// state.
//
// One version is made so: add records (as with a Builder, children first), Hold
// the new root records, Release the old ones, Build. Then either Commit, and
// the next version starts from this one, or Abort, and all is as it was before.
// An Editor is for one goroutine.
type Editor struct {
	adder[*typeEditor]
	base    *State
	changes Changes        // what was built changes
	journal []editStep     // what Abort takes back
	dying   []editedRecord // of bury
}

// editedRecord is a record of the version that is being made.
type editedRecord struct {
	t *typeEditor
	o Ordinal
}

// editStep is one step of a version that is being made.
type editStep struct {
	t    *typeEditor
	o    Ordinal
	kind uint8
}

const (
	undoRef  uint8 = iota // a reference was added
	undoDrop              // a reference was dropped
	undoHold              // a record was held
	undoFree              // a hold was dropped
	undoLive              // a record came to life
	undoDead              // a record died
)

// NewEditor starts from base, which is nil before the first version. The
// schemas must be those of base, if there is one: a change of schemas takes a
// Builder. A base with references to nothing is refused (ErrDangling): what takes the
// free ordinal would be referred to. Records of base that no other record refers to are
// held. It reads all of base once.
func NewEditor(base *State, schemas []*Schema) (*Editor, error) {
	e := &Editor{base: base}
	e.added = e.settle
	err := e.declare(schemas, func(s *Schema) *typeEditor {
		t := newTypeEditor(s)
		if base != nil && base.Type(s.Name) != nil {
			t.base = base.Type(s.Name)
		}
		return t
	})
	if err == nil && base != nil && !maps.EqualFunc(base.schemas, e.schemas, (*Schema).Equal) {
		err = errors.New("the schemas are not those of the state")
	}
	for i := 0; i < len(e.order) && err == nil; i++ {
		err = e.order[i].resolve(e.schemas, e.types)
	}
	if err != nil {
		return nil, fmt.Errorf("edit state: %w", err)
	}
	for _, t := range e.order {
		if err := e.learn(t); err != nil {
			return nil, fmt.Errorf("edit state: %w", err)
		}
	}
	for _, t := range e.order {
		if err := t.dangling(); err != nil {
			return nil, fmt.Errorf("edit state: %w", err)
		}
		for o := range t.base.Ordinals() {
			if t.refs[o] == 0 {
				t.setHeld(o, true)
				t.refs[o]++
			}
		}
	}
	return e, nil
}

// learn counts what the records of a type refer to, and remembers their
// contents. It fails with ErrDangling if one refers to an ordinal that is above all.
func (e *Editor) learn(t *typeEditor) (err error) {
	t.table.reserve(t.base.Len())
	t.room(t.base.Max())
	for o := range t.base.Ordinals() {
		t.old = appendContent(t.old[:0], t.base.Record(o))
		t.table.add(contentHash(t.old), int32(o))
		t.mark(o)
		t.eachChild(t.old, func(child *typeEditor, c Ordinal) {
			if c > child.base.Max() {
				err = cmp.Or(err, child.isMissing(c))
				return
			}
			child.room(child.base.Max())
			child.refs[c]++
		})
	}
	return err
}

// State returns the newest committed version, nil if there is none.
func (e *Editor) State() *State { return e.base }

// recordOf returns the type of a record that is in the version under way.
func (e *Editor) recordOf(name string, o Ordinal) (*typeEditor, error) {
	t := e.types[name]
	if t == nil || !t.has(o) {
		return nil, fmt.Errorf("%s %d: %w", name, o, ErrDangling)
	}
	return t, e.closed
}

var errBuilt = errors.New("the version is built: commit or abort it first")

// settle counts, of the records of a type that came to life, what they refer to.
// Nothing refers to them yet.
func (e *Editor) settle(t *typeEditor) {
	for _, o := range t.loose[t.settled:] {
		e.journal = append(e.journal, editStep{t, o, undoLive})
		t.eachChild(t.contentOf(o), e.refer)
	}
	t.settled = len(t.loose)
}

func (e *Editor) refer(t *typeEditor, o Ordinal) {
	t.refs[o]++
	e.journal = append(e.journal, editStep{t, o, undoRef})
}

// drop takes a reference away; the last one takes the record away.
func (e *Editor) drop(t *typeEditor, o Ordinal) {
	t.refs[o]--
	e.journal = append(e.journal, editStep{t, o, undoDrop})
	if t.refs[o] == 0 {
		e.dying = append(e.dying, editedRecord{t, o})
	}
}

// bury takes a record away that nothing refers to, and what only it referred to. A chain
// of records may be longer than a stack.
func (e *Editor) bury(t *typeEditor, o Ordinal) {
	e.dying = append(e.dying[:0], editedRecord{t, o})
	for n := len(e.dying); n > 0; n = len(e.dying) {
		r := e.dying[n-1]
		e.dying = e.dying[:n-1]
		r.t.unmark(r.o)
		if r.t.base.Populated(r.o) {
			r.t.gone = append(r.t.gone, r.o)
		}
		e.journal = append(e.journal, editStep{r.t, r.o, undoDead})
		r.t.eachChild(r.t.contentOf(r.o), e.drop)
	}
}

// NewBatch returns an empty Batch for records of this Editor. Others may be
// asked for at the same time.
func (e *Editor) NewBatch() *Batch { return newBatch(&e.adder) }

// AddBatch adds the records of a Batch, which is then to be Reset. It gives the
// ordinals that they would have got one by one. Errors wrap ErrNotStorable; some
// records are added then, and some are not.
func (e *Editor) AddBatch(batch *Batch) error { return addBatch(&e.adder, batch) }

// Hold keeps a record, which must be in the version, though nothing refers to
// it. To hold it twice is to hold it once.
func (e *Editor) Hold(typeName string, o Ordinal) error {
	t, err := e.recordOf(typeName, o)
	if err != nil {
		return fmt.Errorf("hold record: %w", err)
	}
	if !t.isHeld(o) {
		t.setHeld(o, true)
		e.journal = append(e.journal, editStep{t, o, undoHold})
		e.refer(t, o)
	}
	return nil
}

// Release ends a Hold. If nothing refers to the record it leaves the state,
// with what only it referred to. To release what is not held does nothing.
func (e *Editor) Release(typeName string, o Ordinal) error {
	t, err := e.recordOf(typeName, o)
	if err != nil {
		return fmt.Errorf("release record: %w", err)
	}
	if t.isHeld(o) {
		t.setHeld(o, false)
		e.journal = append(e.journal, editStep{t, o, undoFree})
		if e.drop(t, o); t.refs[o] == 0 {
			e.bury(t, o)
		}
	}
	return nil
}

// Build returns the version. The base stays the base until Commit.
func (e *Editor) Build(h Header) (*State, error) {
	for _, t := range slices.Backward(e.order) { // parents first: they keep children
		for _, o := range t.loose {
			if t.has(o) && t.refs[o] == 0 {
				e.bury(t, o)
			}
		}
		t.loose, t.settled = t.loose[:0], 0
	}
	types := map[string]*Type{}
	e.changes = Changes{}
	var tallies sync.WaitGroup
	defer tallies.Wait()
	for t := range e.objectsFirst() {
		next, c, err := t.build(types)
		if err != nil {
			return nil, fmt.Errorf("build state: %w", err)
		}
		types[t.schema.Name] = next
		if len(c.Added)+len(c.Removed) > 0 {
			e.changes[t.schema.Name] = c
			tallies.Go(func() { next.tallyFrom(t.base, c) })
		}
	}
	s := newState(h, slices.Collect(maps.Values(types)))
	if e.base == nil {
		tallies.Wait()
		s.chooseShards(nil)
	} else if err := e.base.follow(s, e.changes); err != nil {
		return nil, fmt.Errorf("build state: update index: %w", err)
	}
	e.closed = errBuilt
	return s, nil
}

// Changes says what the built version changes, by ordinal.
func (e *Editor) Changes() Changes { return e.changes }

// Commit makes the built version, with whatever indexes s has by now, the one
// that the next starts from. s must be what Build returned, or that with
// another index.
func (e *Editor) Commit(s *State) {
	var all sync.WaitGroup
	for _, t := range e.order {
		c := e.changes[t.schema.Name]
		all.Go(func() {
			t.forget(c.Removed)
			t.base, t.grown = s.Type(t.schema.Name), len(c.Added)
		})
	}
	all.Wait()
	e.base, e.closed, e.changes = s, nil, nil
	e.journal = e.journal[:0]
}

// Abort takes back everything since the last Commit.
func (e *Editor) Abort() {
	for _, j := range slices.Backward(e.journal) {
		switch j.kind {
		case undoRef:
			j.t.refs[j.o]--
		case undoDrop:
			j.t.refs[j.o]++
		case undoHold:
			j.t.setHeld(j.o, false)
		case undoFree:
			j.t.setHeld(j.o, true)
		case undoLive:
			j.t.unmark(j.o)
		case undoDead:
			j.t.mark(j.o)
		}
	}
	for _, t := range e.order {
		t.free = t.free[:len(t.free)+t.filled] // nothing was written over them
		t.forget(nil)
	}
	e.closed, e.changes = nil, nil
	e.journal = e.journal[:0]
}
