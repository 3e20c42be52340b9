package state

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/holdfast-data/holdfast/pkg/state/internal/wire"
)

// ErrIncompatible says that no delta can lead from one state to another: a
// field has the same name in both and another type.
var ErrIncompatible = errors.New("schemas are incompatible")

// A Transition leads from Prev, which is nil before the first version, to
// Next, a state that was built on Prev. Hollow's bytes, those of a snapshot
// too, depend on both: widths cover the records of either. The same transition
// with the same Layout always writes the same bytes.
type Transition struct {
	Prev, Next *State
	// Layout is free; the zero value is a good one.
	Layout Layout
}

// WriteSnapshot writes Next with Next's header.
func (t Transition) WriteSnapshot(w io.Writer) error {
	types := t.types()
	b, err := appendHeader(nil, t.Next.header, t.Layout, schemasOf(types))
	if err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	var all sync.WaitGroup
	for _, tt := range types {
		all.Go(func() { tt.statistics() })
	}
	all.Wait()
	var pieces []blobPiece
	size := uint64(0)
	for _, tt := range types {
		populated := t.Layout.populated(tt.next.schema.Name, tt.statistics().max)
		size += tt.snapshotSize(populated)
		pieces = append(pieces, tt.snapshotPieces(populated)...)
	}
	expect(w, size)
	out := blobWriter{w: w, buf: wire.AppendVint(b, int32(len(types)))}
	if err := out.writePieces(pieces); err != nil {
		return fmt.Errorf("write snapshot: %w", err)
	}
	return out.flush()
}

// WriteHeader writes the header blob of Next, which lets tools read tags and
// schemas without the data.
func (t Transition) WriteHeader(w io.Writer) error {
	schemas := schemasOf(t.types())
	b, err := appendHeader(nil, t.Next.header, t.Layout, schemas)
	if err != nil {
		return fmt.Errorf("write header: %w", err)
	}
	_, err = w.Write(wire.AppendVint(b, int32(len(schemas))))
	return err
}

// WriteDelta writes what leads from Prev to Next. It fails with ErrIncompatible
// if nothing does.
func (t Transition) WriteDelta(w io.Writer) error {
	h := t.Next.header
	h.Origin = t.Prev.header.Tag
	if err := t.writeDelta(w, h, false); err != nil {
		return fmt.Errorf("write delta: %w", err)
	}
	return nil
}

// WriteReverseDelta writes what leads from Next back to Prev. It fails with
// ErrIncompatible if nothing does.
func (t Transition) WriteReverseDelta(w io.Writer) error {
	h := t.Prev.header
	h.Origin, h.Tag = t.Next.header.Tag, t.Prev.header.Tag
	if err := t.writeDelta(w, h, true); err != nil {
		return fmt.Errorf("write reverse delta: %w", err)
	}
	return nil
}

func (t Transition) writeDelta(w io.Writer, h Header, reverse bool) error {
	var changed []*typeTransition
	size := uint64(0)
	for _, tt := range t.types() {
		if tt.incompatible != nil {
			return tt.incompatible
		}
		if len(tt.added)+len(tt.removed) > 0 || tt.prev != nil && tt.prev.shards != tt.next.shards {
			changed, size = append(changed, tt), size+tt.deltaSize(reverse)
		}
	}
	b, err := appendHeader(nil, h, t.Layout, schemasOf(changed))
	if err != nil {
		return err
	}
	expect(w, size)
	out := blobWriter{w: w, buf: wire.AppendVint(b, int32(len(changed)))}
	for _, tt := range changed {
		if err := tt.writeDelta(&out, reverse); err != nil {
			return err
		}
	}
	return out.flush()
}

func (t Transition) types() []*typeTransition {
	var out []*typeTransition
	for _, s := range t.Layout.schemas(t.Next.schemas) {
		tt := &typeTransition{next: t.Next.Type(s.Name)}
		if t.Prev != nil && t.Prev.Type(s.Name) != nil {
			tt.prev, tt.incompatible = t.Prev.Type(s.Name).as(s)
		}
		tt.compare()
		out = append(out, tt)
	}
	return out
}

func schemasOf(types []*typeTransition) []*Schema {
	out := make([]*Schema, len(types))
	for i, t := range types {
		out[i] = t.next.schema
	}
	return out
}

// typeTransition is a Transition of one type. Both sides have one schema.
type typeTransition struct {
	prev, next     *Type // prev is nil if the state before lacks the type
	added, removed []Ordinal
	incompatible   error
	stats          *typeStats
}

// compare finds the ordinals that only one side has.
func (t *typeTransition) compare() {
	var before pageTable
	if t.prev != nil {
		before = t.prev.table
	}
	c := changeBetween(before, t.next.table)
	t.added, t.removed = c.Added, c.Removed
}

// as returns the type seen through another schema: fields are matched by name,
// those that t lacks are null.
func (t *Type) as(s *Schema) (*Type, error) {
	if t.schema.Equal(s) {
		return t, nil
	}
	bad := fmt.Errorf("type %s: %w", s.Name, ErrIncompatible)
	if t.schema.Kind != s.Kind || t.schema.Element != s.Element || t.schema.Value != s.Value {
		return newType(s, t.shards), bad
	}
	if s.Kind != Object && !slices.Equal(t.schema.Key, s.Key) { // entries have their places by it
		return newType(s, t.shards), bad
	}
	if s.Kind != Object {
		own := *t
		own.schema = s
		return &own, nil
	}
	from := make([]int, len(s.Fields))
	for f, field := range s.Fields {
		from[f] = t.schema.FieldIndex(field.Name)
		if from[f] >= 0 && t.schema.Fields[from[f]] != field {
			return newType(s, t.shards), bad
		}
	}
	return t.project(s, from)
}

func (t *Type) project(s *Schema, from []int) (*Type, error) {
	var ordinals []Ordinal
	for o := range t.Ordinals() {
		ordinals = append(ordinals, o)
	}
	return newType(s, t.shards).apply(typeChange{added: ordinals, loader: func() pageLoader {
		return func(b *pageBuilder, k, n, _ int) error {
			for _, o := range ordinals[k:n] {
				t.Record(o).loadAs(b, from)
			}
			return nil
		}
	}})
}

// loadAs sets the slot of r to its fields in the places that from gives them;
// those that are in no place are null.
func (r Record) loadAs(b *pageBuilder, from []int) {
	i := r.slot()
	for f, field := range b.schema.Fields {
		switch {
		case field.Type.variable():
			text, null := []byte(nil), true
			if from[f] >= 0 {
				text, null = r.span(from[f])
			}
			b.setText(&b.texts[f], i, text, null)
		case from[f] < 0:
			b.nums[f][i] = nullBits(field.Type)
		default:
			b.nums[f][i] = r.fixed(from[f])
		}
	}
}
