package replica

import (
	"errors"
	"fmt"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// ErrNoPath says that no blobs lead to a version.
var ErrNoPath = errors.New("no path to the version")

// maxDeltas is how many deltas a replica follows rather than loading a
// snapshot; Hollow's consumers stop at 32.
const maxDeltas = 64

// A Kind of blob.
type Kind uint8

// The kinds of blobs that a plan has.
const (
	Snapshot Kind = iota
	Delta
	ReverseDelta
)

// String returns the first part of Hollow's file name.
func (k Kind) String() string { return [...]string{"snapshot", "delta", "reversedelta"}[k] }

// A Step is one blob of a plan.
type Step struct {
	Kind Kind
	// Blob is what to fetch; it was published with version Of.
	Blob blob.Ref
	Of   dataset.Version
	// To is the version that the step leads to.
	To *blob.Manifest
}

// Plan returns the blobs that lead from the version of current, which is nil if
// nothing is loaded, to target. before returns the manifest before another one,
// nil at the start of the chain. Deltas are followed only within a schema
// segment. It fails with ErrNoPath if the blobs that it would need were never
// written.
func Plan(current, target *blob.Manifest, before func(*blob.Manifest) (*blob.Manifest, error)) ([]Step, error) {
	if current != nil && current.Segment == target.Segment {
		steps, err := deltaPlan(current, target, before)
		if err != nil || steps != nil {
			return steps, err
		}
	}
	return snapshotPlan(target, before)
}

// deltaPlan returns nil if deltas do not lead from current to target.
func deltaPlan(current, target *blob.Manifest, before func(*blob.Manifest) (*blob.Manifest, error)) ([]Step, error) {
	from, to, kind := current, target, Delta
	if target.Version < current.Version {
		from, to, kind = target, current, ReverseDelta
	}
	steps := []Step{}
	for m := to; m.Version != from.Version; {
		if len(steps) == maxDeltas || m.Segment != from.Segment || m.Version < from.Version {
			return nil, nil
		}
		prev, err := before(m)
		if err != nil || prev == nil {
			return nil, err
		}
		step := Step{Kind: kind, Of: m.Version, To: m}
		ref := m.Delta
		if kind == ReverseDelta {
			ref, step.To = m.ReverseDelta, prev
		}
		if ref == nil {
			return nil, nil
		}
		step.Blob = *ref
		steps = append(steps, step)
		m = prev
	}
	if kind == Delta {
		slices.Reverse(steps)
	}
	return steps, nil
}

func snapshotPlan(target *blob.Manifest, before func(*blob.Manifest) (*blob.Manifest, error)) ([]Step, error) {
	var steps []Step
	for m := target; ; {
		if m.Snapshot != nil {
			steps = append(steps, Step{Kind: Snapshot, Blob: *m.Snapshot, Of: m.Version, To: m})
			slices.Reverse(steps)
			return steps, nil
		}
		if m.Delta == nil || m.Segment == m.Version {
			return nil, fmt.Errorf("plan version %s: version %s has neither snapshot nor delta: %w", target.Version, m.Version, ErrNoPath)
		}
		steps = append(steps, Step{Kind: Delta, Blob: *m.Delta, Of: m.Version, To: m})
		prev, err := before(m)
		if err != nil {
			return nil, err
		}
		if prev == nil {
			return nil, fmt.Errorf("plan version %s: the chain begins without a snapshot: %w", target.Version, ErrNoPath)
		}
		m = prev
	}
}
