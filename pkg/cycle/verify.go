package cycle

import (
	"errors"
	"fmt"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state"
)

// ErrVerify says that a blob does not lead to the state it was written from.
// That is a defect; nothing was published.
var ErrVerify = errors.New("blob leads to another state")

// verify reads the blobs of a draft back and compares content checksums, which
// it computes from what was decoded: of a snapshot in full, of deltas from what
// they changed. Across a change of schemas only the snapshot is compared: deltas
// then serve other consumers, which keep their own schemas.
func (c *Cycle) verify(d *draft) error {
	m := d.view.Manifest
	var prev *state.State // of the same segment
	if d.prev != nil && !d.segment {
		prev = d.prev.State
	}
	var err error
	if prev == nil {
		m.Checksum, err = d.view.State.Checksum()
	} else {
		m.Checksum, err = follow(d.prev.Manifest.Checksum, prev, d.view.State)
	}
	if err != nil {
		return err
	}
	if d.snapshot != nil {
		s, err := state.ReadSnapshot(d.snapshot, state.ReadOptions{})
		if err != nil {
			return fmt.Errorf("snapshot: %w", err)
		}
		sum, err := s.Checksum()
		if err := compare("snapshot", sum, err, m.Checksum); err != nil {
			return err
		}
	}
	if prev != nil {
		if err := c.verifyDeltas(d, prev); err != nil {
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

func (c *Cycle) verifyDeltas(d *draft, prev *state.State) error {
	before, after := d.prev.Manifest.Checksum, d.view.Manifest.Checksum
	s, err := prev.Apply(d.delta)
	if err != nil {
		return fmt.Errorf("delta: %w", err)
	}
	sum, err := follow(before, prev, s)
	if err := compare("delta", sum, err, after); err != nil {
		return err
	}
	if s, err = d.view.State.Apply(d.reverse); err != nil {
		return fmt.Errorf("reverse delta: %w", err)
	}
	sum, err = follow(after, d.view.State, s)
	return compare("reverse delta", sum, err, before)
}

// follow returns the checksum of to, a version next to from.
func follow(sum dataset.Digest, from, to *state.State) (dataset.Digest, error) {
	return state.NextChecksum(sum, from, to, state.ChangesBetween(from, to))
}

func compare(what string, got dataset.Digest, err error, want dataset.Digest) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if got != want {
		return fmt.Errorf("%s: checksum %s, want %s: %w", what, got, want, ErrVerify)
	}
	return nil
}
