package main

import (
	"bytes"
	"fmt"

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
	add := kind.NewAdder(b)
	for record := range base.Frames() {
		if _, err := add.Add(record); err != nil {
			return nil, err
		}
	}
	return b.Finish(state.Header{Origin: -1, Tag: 1})
}

// producer makes version after version out of changes.
type producer struct {
	root string
	e    *state.Editor
	add  *data.Adder
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
	p := &producer{root: kind.Root, tag: base.Header().Tag}
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
	p.add = kind.NewAdder(p.e)
	return p, nil
}

// cycle makes the next version, writes both deltas, verifies them and moves
// on.
func (p *producer) cycle(frames [][]byte) error {
	prev := p.e.State()
	for _, frame := range frames {
		if err := p.change(prev, frame); err != nil {
			return err
		}
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

// change hands one change to the editor.
func (p *producer) change(prev *state.State, frame []byte) error {
	body := neutral.NewCursor(frame)
	var old state.Ordinal
	now := state.NoOrdinal
	if body.Byte() == neutral.Delete {
		old, _ = keys(prev).Get(state.LongValue(body.Int()))
	} else {
		var err error
		if now, err = p.add.Add(frame[1:]); err != nil {
			return err
		}
		old, _ = keys(prev).Get(state.LongValue(data.IDOf(frame[1:])))
	}
	if old == now {
		return nil
	}
	if now != state.NoOrdinal {
		if err := p.e.Hold(p.root, now); err != nil {
			return err
		}
	}
	if old == state.NoOrdinal {
		return nil
	}
	return p.e.Release(p.root, old)
}

// verify applies both deltas and compares what they lead to with what they were
// written from, record by record; the checksum is that of what was decoded.
func (p *producer) verify(prev, next *state.State) error {
	var both errgroup.Group
	both.Go(func() error {
		after, err := prev.Apply(p.delta.Bytes())
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
		before, err := next.Apply(p.reverse.Bytes())
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
