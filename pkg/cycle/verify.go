package cycle

import (
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/holdfast-data/holdfast/pkg/state"
)

// ErrVerify says that a blob does not lead to the state it was written from.
// That is a defect; nothing was published.
var ErrVerify = errors.New("blob leads to another state")

// verify reads the blobs of a draft back and compares what they lead to with
// what they were written from, record by record. The content checksum is that of
// what was decoded: of a snapshot in full, of a delta from what it changed.
// Across a change of schemas only the snapshot is compared: deltas then serve
// other consumers, which keep their own schemas.
func (c *Cycle) verify(d *draft) error {
	m := d.view.Manifest
	if d.snapshot != nil {
		s, err := state.ReadSnapshot(d.snapshot, state.ReadOptions{})
		if err := same("snapshot", d.view.State, s, err); err != nil {
			return err
		}
		if d.segment {
			if m.Checksum, err = s.Checksum(); err != nil {
				return fmt.Errorf("snapshot: %w", err)
			}
		}
	}
	if !d.segment {
		if err := c.verifyDeltas(d); err != nil {
			return err
		}
	}
	m.Fingerprint = d.view.State.Fingerprint()
	m.Records = map[string]int{}
	for _, t := range d.view.State.Types() {
		m.Records[t.Schema().Name] = t.Len()
	}
	d.result.Checksum = m.Checksum
	return nil
}

// largeDeltas is the length of both deltas, in bytes, from which on one is verified
// after the other: each takes memory for what it changes, and is decoded by all
// processors anyway.
const largeDeltas = 64 << 20

// verifyDeltas is verify for the deltas of a version within its segment, both at
// the same time unless they are large.
func (c *Cycle) verifyDeltas(d *draft) error {
	prev, next := d.prev.State, d.view.State
	d.hasher = c.hasher
	if c.hasher == nil || c.hashed != d.prev {
		d.hasher = state.NewHasher(prev)
	}
	c.hasher = nil // it is the draft's until that is published
	var both errgroup.Group
	if len(d.reverse)+len(d.delta) >= largeDeltas {
		both.SetLimit(1)
	}
	both.Go(func() error {
		s, err := next.WithoutIndexes().Apply(d.reverse)
		return same("reverse delta", prev, s, err)
	})
	both.Go(func() error {
		s, err := prev.WithoutIndexes().Apply(d.delta)
		if err := same("delta", next, s, err); err != nil {
			return err
		}
		d.view.Manifest.Checksum, err = d.hasher.Next(d.prev.Manifest.Checksum, s, state.ChangesBetween(prev, s))
		if err != nil {
			return fmt.Errorf("delta: %w", err)
		}
		return nil
	})
	if err := both.Wait(); err != nil {
		return err
	}
	d.hasher.MoveTo(next)
	return nil
}

// same fails with ErrVerify unless reading a blob gave the state want.
func same(what string, want, got *state.State, err error) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if err := state.Same(want, got); err != nil {
		return fmt.Errorf("%s: %w: %w", what, ErrVerify, err)
	}
	return nil
}
