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
// it computes from what was decoded. Across a change of schemas only the
// snapshot is compared: deltas then serve other consumers, which keep their
// own schemas.
func (c *Cycle) verify(d *draft) error {
	want, err := d.view.State.Checksum()
	if err != nil {
		return err
	}
	if d.snapshot != nil {
		s, err := state.ReadSnapshot(d.snapshot, state.ReadOptions{})
		if err := compare("snapshot", s, err, want); err != nil {
			return err
		}
	}
	if d.prev != nil && !d.segment {
		s, err := d.prev.State.Apply(d.delta)
		if err := compare("delta", s, err, want); err != nil {
			return err
		}
		s, err = d.view.State.Apply(d.reverse)
		if err := compare("reverse delta", s, err, d.prev.Manifest.Checksum); err != nil {
			return err
		}
	}
	m := d.view.Manifest
	m.Checksum, m.Fingerprint = want, d.view.State.Fingerprint()
	m.Records = map[string]int{}
	for _, t := range d.view.State.Types() {
		m.Records[t.Schema().Name] = t.Len()
	}
	d.result.Checksum = want
	return nil
}

func compare(what string, s *state.State, err error, want dataset.Digest) error {
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	got, err := s.Checksum()
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if got != want {
		return fmt.Errorf("%s: checksum %s, want %s: %w", what, got, want, ErrVerify)
	}
	return nil
}
