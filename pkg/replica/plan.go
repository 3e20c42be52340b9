package replica

import (
	"errors"
	"fmt"
	"math"
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

// A Chain is where a plan finds the versions around another one.
type Chain struct {
	// Before returns the manifest before m, nil at the start of the chain.
	Before func(m *blob.Manifest) (*blob.Manifest, error)
	// After returns the manifests after m, each before the next in the chain, as
	// far as they are known; none if there are more than most. It is asked only if
	// the plan to m needs a snapshot and m has none, because it may have to read
	// all of them.
	After func(m *blob.Manifest, most int) ([]*blob.Manifest, error)
}

// Plan returns the blobs that lead from the version of current, which is nil if
// nothing is loaded, to target: deltas or reverse deltas, else the snapshot of
// target, else of those that lead to it from an earlier snapshot and from later
// ones the fewest bytes. Deltas are followed only within a schema segment. It
// fails with ErrNoPath if the blobs that it would need were never written.
func Plan(current, target *blob.Manifest, chain Chain) ([]Step, error) {
	if current != nil && current.Segment == target.Segment {
		steps, err := deltaPlan(current, target, chain.Before)
		if err != nil || steps != nil {
			return steps, err
		}
	}
	earlier, err := snapshotPlan(target, chain.Before)
	if target.Snapshot != nil || err != nil && !errors.Is(err, ErrNoPath) {
		return earlier, err
	}
	most := math.MaxInt
	if err == nil {
		most = maxDeltas // reading manifests is not for nothing
	}
	after, afterErr := chain.After(target, most)
	if afterErr != nil && err != nil {
		return nil, afterErr
	}
	later := laterPlan(target, after)
	if later != nil && (err != nil || size(later) < size(earlier)) {
		return later, nil
	}
	return earlier, err
}

// size returns the bytes of the blobs of a plan.
func size(steps []Step) (n int64) {
	for _, s := range steps {
		n += s.Blob.Size
	}
	return n
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

// laterPlan goes back to target from a later snapshot of its segment, from that
// with the fewest bytes; nil if there is none. after follows target.
func laterPlan(target *blob.Manifest, after []*blob.Manifest) (best []Step) {
	var back []Step // to target, the last step first
	var bytes, least int64
	to := target
	for _, m := range after {
		if m.Segment != target.Segment || m.ReverseDelta == nil || best != nil && bytes >= least {
			break
		}
		back = append(back, Step{Kind: ReverseDelta, Blob: *m.ReverseDelta, Of: m.Version, To: to})
		bytes += m.ReverseDelta.Size
		to = m
		if m.Snapshot != nil && (best == nil || bytes+m.Snapshot.Size < least) {
			least = bytes + m.Snapshot.Size
			best = append(slices.Clone(back), Step{Kind: Snapshot, Blob: *m.Snapshot, Of: m.Version, To: m})
		}
	}
	slices.Reverse(best)
	return best
}

// snapshotPlan follows deltas from the newest snapshot that is not after target.
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
