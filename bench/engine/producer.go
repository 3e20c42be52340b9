package main

import (
	"bytes"
	"errors"
	"fmt"

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
	if p.sum, err = base.Checksum(); err != nil {
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
	if err := errors.Join(t.WriteDelta(&p.delta), t.WriteReverseDelta(&p.reverse)); err != nil {
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

// verify applies both deltas and compares the content checksums of what they
// lead to.
func (p *producer) verify(prev, next *state.State) error {
	changes := p.e.Changes()
	sum, err := state.NextChecksum(p.sum, prev, next, changes)
	if err != nil {
		return err
	}
	after, err := prev.Apply(p.delta.Bytes())
	if err != nil {
		return err
	}
	got, err := state.NextChecksum(p.sum, prev, after, changes)
	if err != nil || got != sum {
		return fmt.Errorf("delta leads to %s, want %s: %w", got, sum, errors.Join(err, errDiffers))
	}
	before, err := next.Apply(p.reverse.Bytes())
	if err != nil {
		return err
	}
	got, err = state.NextChecksum(sum, next, before, reversed(changes))
	if err != nil || got != p.sum {
		return fmt.Errorf("reverse delta leads to %s, want %s: %w", got, p.sum, errors.Join(err, errDiffers))
	}
	p.sum = sum
	return nil
}

var errDiffers = errors.New("contents differ")

func reversed(changes state.Changes) state.Changes {
	out := state.Changes{}
	for name, c := range changes {
		out[name] = state.Change{Removed: c.Added, Added: c.Removed}
	}
	return out
}
