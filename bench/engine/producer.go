package main

import (
	"bytes"
	"fmt"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-data/holdfast/bench/data"
	"github.com/holdfast-data/holdfast/bench/neutral"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state"
)

// populate makes the first version of the records of a base file.
func populate(kind *data.Kind, base *neutral.File) (*state.State, error) {
	schemas, err := state.ParseSchemas(kind.Schemas)
	if err != nil {
		return nil, err
	}
	b, err := state.NewBuilder(nil, schemas)
	if err != nil {
		return nil, err
	}
	err = state.AddParts(b, slices.Chunk(slices.Collect(base.Frames()), partLen), func(batch *state.Batch, part [][]byte) error {
		add := kind.NewAdder(batch)
		for _, record := range part {
			if _, err := add.Add(record); err != nil {
				return err
			}
		}
		return nil
	}, func(*state.Batch, [][]byte) error { return nil })
	if err != nil {
		return nil, err
	}
	return b.Finish(state.Header{Origin: -1, Tag: 1})
}

const (
	partLen = 1000 // records in a batch
	asked   = 8    // how far ahead memory is asked for
)

// producer makes version after version out of changes.
type producer struct {
	kind *data.Kind
	e    *state.Editor
	sum  dataset.Digest
	tag  int64

	hasher *state.Hasher // of the newest version

	delta, reverse bytes.Buffer // of the newest version
}

func newProducer(kind *data.Kind, base *state.State) (*producer, error) {
	schemas, err := state.ParseSchemas(kind.Schemas)
	if err != nil {
		return nil, err
	}
	p := &producer{kind: kind, tag: base.Header().Tag}
	if base, err = withKeys(base, kind.Root); err != nil {
		return nil, err
	}
	p.hasher = state.NewHasher(base)
	if p.sum, err = p.hasher.Checksum(); err != nil {
		return nil, err
	}
	if p.e, err = state.NewEditor(base, schemas); err != nil {
		return nil, err
	}
	return p, nil
}

// cycle makes the next version, writes both deltas, verifies them and moves
// on.
func (p *producer) cycle(frames [][]byte) error {
	prev := p.e.State()
	if err := p.edit(prev, frames); err != nil {
		return err
	}
	p.tag++
	next, err := p.e.Build(state.Header{Tag: p.tag})
	if err != nil {
		return err
	}
	p.delta.Reset()
	p.reverse.Reset()
	t := state.Transition{Prev: prev, Next: next}
	var both errgroup.Group
	both.Go(func() error { return t.WriteDelta(&p.delta) })
	both.Go(func() error { return t.WriteReverseDelta(&p.reverse) })
	if err := both.Wait(); err != nil {
		return err
	}
	if err := p.verify(prev, next); err != nil {
		return err
	}
	p.e.Commit(next)
	return nil
}

// change is what happens to one record of the root type.
type change struct{ old, now state.Ordinal }

// changes is a part of a cycle's changes, in both forms.
type changes struct {
	frames [][]byte
	list   []change
}

// edit hands the changes to the editor.
func (p *producer) edit(prev *state.State, frames [][]byte) error {
	parts := func(yield func(*changes) bool) {
		for part := range slices.Chunk(frames, partLen) {
			if !yield(&changes{frames: part}) {
				return
			}
		}
	}
	return state.AddParts(p.e, parts, func(b *state.Batch, part *changes) (err error) {
		part.list, err = p.fill(prev, b, part.frames)
		return err
	}, func(b *state.Batch, part *changes) error { return p.replace(prev, b, part.list) })
}

// fill puts new records into a batch and finds the old ones.
func (p *producer) fill(prev *state.State, b *state.Batch, frames [][]byte) ([]change, error) {
	add := p.kind.NewAdder(b)
	list := make([]change, 0, len(frames))
	for _, frame := range frames {
		c := change{now: state.NoOrdinal}
		body := neutral.NewCursor(frame)
		if body.Byte() != neutral.Delete {
			var err error
			if c.now, err = add.Add(frame[1:]); err != nil {
				return nil, err
			}
		}
		c.old, _ = keys(prev).Get(state.LongValue(body.Int())) // a record begins with its key
		list = append(list, c)
	}
	return list, nil
}

// replace puts the new records of a batch that was added in the place of the old
// ones.
func (p *producer) replace(prev *state.State, b *state.Batch, list []change) error {
	root := p.kind.Root
	old := prev.Type(root)
	for i, c := range list {
		if ahead := i + asked; ahead < len(list) {
			old.Prefetch([]state.Ordinal{list[ahead].old})
		}
		now := b.Ordinal(root, c.now)
		if c.old == now {
			continue
		}
		if now != state.NoOrdinal {
			if err := p.e.Hold(root, now); err != nil {
				return err
			}
		}
		if c.old == state.NoOrdinal {
			continue
		}
		if err := p.e.Release(root, c.old); err != nil {
			return err
		}
	}
	return nil
}

// verify applies both deltas and compares what they lead to with what they were
// written from, record by record; the checksum is that of what was decoded.
func (p *producer) verify(prev, next *state.State) error {
	var both errgroup.Group
	both.Go(func() error {
		after, err := prev.WithoutIndexes().Apply(p.delta.Bytes())
		if err != nil {
			return err
		}
		if err := state.Same(next, after); err != nil {
			return fmt.Errorf("delta: %w", err)
		}
		p.sum, err = p.hasher.Next(p.sum, after, p.e.Changes())
		return err
	})
	both.Go(func() error {
		before, err := next.WithoutIndexes().Apply(p.reverse.Bytes())
		if err != nil {
			return err
		}
		if err := state.Same(prev, before); err != nil {
			return fmt.Errorf("reverse delta: %w", err)
		}
		return nil
	})
	if err := both.Wait(); err != nil {
		return err
	}
	p.hasher.MoveTo(next)
	return nil
}
