package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// A Batch takes records as a Builder and an Editor do, to be added to one of
// them all together: AddBatch looks for many contents at a time, on all
// processors, where one after the other each waits for memory several times. The
// outcome is the same. A Batch may be filled while others are filled or added; it
// is for one goroutine at a time.
//
// The ordinals that it gives are good for the records of the same Batch only, and
// are never those of a state; Batch.Ordinal says what they have become. Equal
// records may be given different ones, which then become the same.
type Batch struct {
	adder[*typeBatch]
	sequence []*typeBatch // what is in a circle: the types of the records, in the order in which they were added
}

// firstPending is the first ordinal that a Batch gives for records of a type.
const firstPending Ordinal = MaxOrdinal + 1

// typeBatch has the records of one type in a Batch, in the order in which they
// were added. Where equal ones are few they are not looked for: what the Batch is
// added to finds them, too.
type typeBatch struct {
	recordMaker
	children []*typeBatch // parts
	place    int          // in the order of types
	batch    *Batch       // nil unless the type is in a circle of references, or leads to one
	once     bool         // each content must be in it once

	table         contentTable // of the records that equal ones were looked for of
	looked, equal int          // how often they were looked for, and found, in the last sample
	skipped       int          // how often they were not, since then

	data     []byte // contents
	ends     []int  // where each ends
	hashes   []uint32
	ordinals []Ordinal // what the records have become
}

const (
	// sampled is how many records say whether equal ones are few: less than one in
	// rarely.
	sampled = 256
	rarely  = 8
	// skipping is for how many records that is taken to stay so. It bounds by how
	// much equal ones make a Batch longer.
	skipping = 16 * sampled
)

var errAdded = errors.New("the batch was added: reset it first")

// newBatch returns an empty Batch for records of these types.
func newBatch[T recordType](a *adder[T]) *Batch {
	b := &Batch{}
	var schemas []*Schema
	for _, t := range a.order {
		schemas = append(schemas, t.own().schema)
	}
	if err := b.declare(schemas, func(s *Schema) *typeBatch { return &typeBatch{recordMaker: recordMaker{schema: s}} }); err != nil {
		panic(err) // a has declared them
	}
	for i, t := range b.order {
		t.place = i
		for _, name := range t.schema.References() {
			t.children = append(t.children, b.types[name])
		}
		if i >= b.loops {
			t.batch = b
		}
	}
	for _, t := range b.order {
		if t.schema.Kind == Set || t.schema.Kind == Map {
			t.children[0].keepOnce()
		}
	}
	for _, t := range b.order[b.loops:] { // only now: keepOnce goes no further than what is marked
		t.once = true
	}
	return b
}

// keepOnce says that each content must be in t once: its records are elements of
// SETs or keys of MAPs, or parts of such records, and an ordinal stands for a
// content there.
func (t *typeBatch) keepOnce() {
	if t.once {
		return
	}
	t.once = true
	for _, child := range t.children {
		child.keepOnce()
	}
}

// Ordinal returns what record o of the Batch has become in the version that the
// Batch was added to; NoOrdinal if it was not.
func (b *Batch) Ordinal(typeName string, o Ordinal) Ordinal {
	t := b.types[typeName]
	if t == nil || o < firstPending || int(o-firstPending) >= len(t.ordinals) {
		return NoOrdinal
	}
	return t.ordinals[o-firstPending]
}

// Reset empties the Batch, so that it can be filled again.
func (b *Batch) Reset() {
	for _, t := range b.order {
		t.table.clear()
		t.looked, t.equal, t.skipped = 0, 0, 0
		t.data, t.ends, t.hashes, t.ordinals = t.data[:0], t.ends[:0], t.hashes[:0], t.ordinals[:0]
	}
	b.sequence, b.closed = b.sequence[:0], nil
}

func (t *typeBatch) has(o Ordinal) bool {
	return o >= firstPending && int(o-firstPending) < len(t.ends)
}

// contentAt returns the content of the k'th record.
func (t *typeBatch) contentAt(k int) []byte {
	start := 0
	if k > 0 {
		start = t.ends[k-1]
	}
	return t.data[start:t.ends[k]]
}

// looks says whether to look for a record like the next one.
func (t *typeBatch) looks() bool {
	if t.once || t.looked < sampled || t.equal*rarely >= t.looked {
		return true
	}
	if t.skipped++; t.skipped > skipping {
		t.looked, t.equal, t.skipped = 0, 0, 0
	}
	return false
}

// add adds the record whose content is in t.content.
func (t *typeBatch) add() (Ordinal, error) {
	k, hash := len(t.ends), uint32(0)
	look := t.looks()
	if look || len(t.children) == 0 { // else it is hashed when it is resolved
		hash = contentHash(t.content)
	}
	if look {
		t.looked++
		if k, ok := t.table.find(hash, func(k int32) bool { return bytes.Equal(t.content, t.contentAt(int(k))) }); ok {
			t.equal++
			return firstPending + Ordinal(k), nil
		}
	}
	if k > MaxOrdinal {
		return NoOrdinal, fmt.Errorf("add %s: more than 2^29 records in a batch: %w", t.schema.Name, ErrNotStorable)
	}
	if look {
		t.table.add(hash, int32(k))
	}
	t.data = append(t.data, t.content...)
	t.ends, t.hashes = append(t.ends, len(t.data)), append(t.hashes, hash)
	if t.batch != nil {
		t.batch.sequence = append(t.batch.sequence, t)
	}
	return firstPending + Ordinal(k), nil
}

// resolved returns the content and hash of the k'th record with the references as
// they are in the version. What it refers to has been added there.
func (t *typeBatch) resolved(k int) ([]byte, uint32) {
	content := t.contentAt(k)
	if len(t.children) == 0 {
		return content, t.hashes[k]
	}
	more := uint32(0)
	if t.schema.Kind == Object {
		more = 1
	}
	child := 0
	for refs := t.references(content); len(refs) > 0; refs = refs[4:] {
		if word := binary.LittleEndian.Uint32(refs); word >= uint32(firstPending) {
			o := t.children[child].ordinals[word-more-uint32(firstPending)]
			binary.LittleEndian.PutUint32(refs, uint32(o)+more)
		}
		if child++; child == len(t.children) {
			child = 0
		}
	}
	sortContent(content, t.schema.Kind)
	return content, contentHash(content)
}

// inserter is what a Builder or an Editor knows of one type.
type inserter interface {
	recordType
	// learn makes the records of the base known, at the first call.
	learn()
	// ask asks for the memory in which to look for a hash.
	ask(hash uint32)
	// askCandidate asks for the memory of the record that may have the content of
	// that hash and length. It looks where ask asked.
	askCandidate(hash uint32, n int)
	// insert adds the record with that content.
	insert(content []byte, hash uint32) (Ordinal, error)
}

// addBatch adds the records of a Batch in the order in which they were added to
// that.
func addBatch[T inserter](a *adder[T], b *Batch) error {
	if err := a.takes(b); err != nil {
		return fmt.Errorf("add batch: %w", err)
	}
	b.closed = errAdded
	errs := make([]error, len(a.order))
	b.eachType(func(i int) { errs[i] = insertAll(a.order[i], b.order[i]) })
	err := errors.Join(errs...)
	if err == nil {
		err = insertLoops(a, b)
	}
	if a.added != nil {
		for _, t := range a.order {
			a.added(t)
		}
	}
	return err
}

// takes says whether a Batch can be added.
func (a *adder[T]) takes(b *Batch) error {
	if a.closed != nil || b.closed != nil {
		return errors.Join(a.closed, b.closed)
	}
	if !slices.EqualFunc(a.order, b.order, func(t T, of *typeBatch) bool { return t.own().schema == of.schema }) {
		return errors.New("it is for other schemas")
	}
	return nil
}

// smallBatch is the number of records up to which one goroutine adds them.
const smallBatch = 256

// eachType calls f for the types that are in no circle, by their place: after
// those that they refer to, else at the same time.
func (b *Batch) eachType(f func(place int)) {
	n := 0
	done := make([]chan struct{}, b.loops)
	for i, t := range b.order[:b.loops] {
		n += len(t.ends)
		done[i] = make(chan struct{})
	}
	var next atomic.Int32
	work := func() {
		for i := int(next.Add(1)) - 1; i < b.loops; i = int(next.Add(1)) - 1 {
			for _, child := range b.order[i].children {
				<-done[child.place]
			}
			f(i)
			close(done[i])
		}
	}
	var others sync.WaitGroup
	for range runtime.GOMAXPROCS(0) - 1 {
		if n > smallBatch {
			others.Go(work)
		}
	}
	work()
	others.Wait()
}

// blockLen is how many contents are looked for at a time.
const blockLen = 32

// insertAll adds the records of a type. It stops at the first that it cannot add,
// and where something is missing that they refer to: why is said there.
func insertAll[T inserter](to T, t *typeBatch) error {
	for _, child := range t.children {
		if len(child.ordinals) < len(child.ends) {
			return nil
		}
	}
	to.learn()
	for start := 0; start < len(t.ends); start += blockLen {
		if err := insertBlock(to, t, start, min(start+blockLen, len(t.ends))); err != nil {
			return err
		}
	}
	return nil
}

func insertBlock[T inserter](to T, t *typeBatch, start, end int) error {
	var contents [blockLen][]byte
	var hashes [blockLen]uint32
	for k := start; k < end; k++ {
		contents[k-start], hashes[k-start] = t.resolved(k)
		to.ask(hashes[k-start])
	}
	for i, content := range contents[:end-start] {
		to.askCandidate(hashes[i], len(content))
	}
	for i, content := range contents[:end-start] {
		o, err := to.insert(content, hashes[i])
		if err != nil {
			return err
		}
		t.ordinals = append(t.ordinals, o)
	}
	return nil
}

// insertLoops adds the records of types that refer to each other in a circle, or
// to such types: one after the other, as any of them may refer to any before.
func insertLoops[T inserter](a *adder[T], b *Batch) error {
	for _, t := range b.sequence {
		content, hash := t.resolved(len(t.ordinals))
		to := a.order[t.place]
		to.learn()
		o, err := to.insert(content, hash)
		if err != nil {
			return err
		}
		t.ordinals = append(t.ordinals, o)
	}
	return nil
}
