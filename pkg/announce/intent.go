package announce

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// Errors of intents.
var (
	// ErrConflict says that the head is not the one that the intent was made
	// on; make it again on the new one.
	ErrConflict = errors.New("head has moved")
	// ErrClaimed says that another holds the log.
	ErrClaimed = errors.New("log is claimed")
	// ErrDeposed says that another has claimed the log after us; we stop.
	ErrDeposed = errors.New("deposed by another claim")
	// ErrNotAnnounced says that a version is not in the chain of announced
	// versions, or was pruned.
	ErrNotAnnounced = errors.New("version is not announced")
	// ErrBelowHorizon says that a version is below the horizon, so that it
	// cannot be pinned, even if all its files are still there. It is an
	// ErrNotAnnounced, too.
	ErrBelowHorizon error = horizonError{}
)

// horizonError is the type of ErrBelowHorizon.
type horizonError struct{}

func (horizonError) Error() string        { return "version is below the horizon" }
func (horizonError) Is(target error) bool { return target == ErrNotAnnounced }

// errDone ends an Append whose intent is already in the log.
var errDone = errors.New("done already")

// admit says whether this Log may append body now: whoever was deposed stops,
// and what belongs to the holder of a claim is the holder's alone.
func (l *Log) admit(body Body) error {
	l.look()
	if c, ok := body.(Claim); ok && !c.Released {
		return nil
	}
	switch body.(type) {
	case Pin:
		return nil // consumers are held by operators, whoever produces
	case Announcement, Evaluated, Advance:
		if l.epoch == noEpoch && l.fold.Claimed() {
			return fmt.Errorf("%w by %q at position %d", ErrClaimed, l.fold.Holder, l.fold.Epoch)
		}
	}
	if l.deposed {
		return fmt.Errorf("%w: %q at position %d", ErrDeposed, l.fold.Holder, l.fold.Epoch)
	}
	return nil
}

// look notes that another claim has followed ours.
func (l *Log) look() { l.deposed = l.deposed || l.epoch != noEpoch && l.fold.Epoch != l.epoch }

// intend appends the entry of who whose body derive returns; errDone from
// derive means that there is nothing left to do.
func (l *Log) intend(ctx context.Context, who Author, derive func(Fold) (Body, error)) (Fold, error) {
	_, fold, err := l.Append(ctx, func(f Fold) (Entry, error) {
		body, err := derive(f)
		return Entry{Author: who, Body: body}, err
	})
	if errors.Is(err, errDone) {
		return fold, nil
	}
	return fold, err
}

// Announce makes a version the head. ErrConflict if a.Previous is no longer
// the head, ErrClaimed under another's claim, ErrDeposed after one that
// followed ours. That a is the head already is no error, so that a caller may
// call again after ErrInDoubt.
func (l *Log) Announce(ctx context.Context, who Author, a Announcement) (Fold, error) {
	return l.intend(ctx, who, func(f Fold) (Body, error) {
		if f.Head == a.Version && f.Manifest == a.Manifest {
			return nil, errDone
		}
		if f.Head != a.Previous {
			return nil, fmt.Errorf("announce %s on %s: %w to %s", a.Version, a.Previous, ErrConflict, f.Head)
		}
		return a, nil
	})
}

// Confirm says whether the head still is the version whose manifest has the
// digest head, and this Log may still extend it: who has nothing to announce
// needs that before it tells anybody that its content is announced. The errors
// are those of Announce, ErrDiverged and ErrShorter.
func (l *Log) Confirm(ctx context.Context, head dataset.Digest) error {
	if err := l.lock(ctx); err != nil {
		return err
	}
	defer l.unlock()
	err := l.refresh(ctx)
	if err == nil {
		err = l.ready(ctx)
	}
	if err == nil {
		err = l.admit(Announcement{})
	}
	if err == nil && l.fold.Manifest != head {
		err = fmt.Errorf("%w to %s", ErrConflict, l.fold.Head)
	}
	if err != nil {
		return fmt.Errorf("confirm head of %s: %w", l.name, err)
	}
	return nil
}

// Claim takes the log for holder. Another holder's claim that was not
// released is ErrClaimed, unless takeover. The claim stays this Log's until
// Release or another claim.
func (l *Log) Claim(ctx context.Context, who Author, holder string, takeover bool) (Fold, error) {
	return l.intend(ctx, who, func(f Fold) (Body, error) {
		if l.epoch != noEpoch && f.Epoch == l.epoch && f.Holder == holder {
			return nil, errDone
		}
		if f.Claimed() && f.Holder != holder && !takeover {
			return nil, fmt.Errorf("%w by %q at position %d", ErrClaimed, f.Holder, f.Epoch)
		}
		if l.look(); l.deposed && !takeover {
			return nil, fmt.Errorf("%w: %q at position %d", ErrDeposed, f.Holder, f.Epoch)
		}
		return Claim{Holder: holder}, nil
	})
}

// Release gives back what this Log has claimed, if anything.
func (l *Log) Release(ctx context.Context, who Author) (Fold, error) {
	return l.intend(ctx, who, func(f Fold) (Body, error) {
		if l.epoch == noEpoch {
			return nil, errDone
		}
		return Claim{Holder: f.Holder, Released: true}, nil
	})
}

// Evaluated records a run of a logic that did not change the output, whose
// head must be v.Output (else ErrConflict).
func (l *Log) Evaluated(ctx context.Context, who Author, v dataset.Evaluation) (Fold, error) {
	return l.intend(ctx, who, func(f Fold) (Body, error) {
		if f.Head != v.Output {
			return nil, fmt.Errorf("record evaluation of %s: %w to %s", v.Output, ErrConflict, f.Head)
		}
		return Evaluated{v}, nil
	})
}

// Advance records source positions that the head contains; the head must be
// v (else ErrConflict).
func (l *Log) Advance(ctx context.Context, who Author, v dataset.Version, positions map[string]string) (Fold, error) {
	return l.intend(ctx, who, func(f Fold) (Body, error) {
		if f.Head != v {
			return nil, fmt.Errorf("advance positions of %s: %w to %s", v, ErrConflict, f.Head)
		}
		return Advance{positions}, nil
	})
}

// Snapshot makes a snapshot known that was written after its version was
// announced.
func (l *Log) Snapshot(ctx context.Context, who Author, s Snapshot) (Fold, error) {
	return l.intend(ctx, who, func(Fold) (Body, error) { return s, nil })
}

// Prune makes known which keys go; only after it returns may they be deleted.
func (l *Log) Prune(ctx context.Context, who Author, p Prune) (Fold, error) {
	return l.intend(ctx, who, func(Fold) (Body, error) { return p, nil })
}

// Pin holds consumers at v, an announced version (else ErrNotAnnounced) that is
// not below the horizon (else ErrBelowHorizon).
func (l *Log) Pin(ctx context.Context, who Author, v dataset.Version) (Fold, error) {
	return l.intend(ctx, who, func(f Fold) (Body, error) {
		d, err := l.manifest(ctx, f, v)
		if err != nil {
			return nil, fmt.Errorf("pin %s: %w", v, err)
		}
		if f.Pin != nil && f.Pin.Version == v {
			return nil, errDone
		}
		return Pin{Version: v, Manifest: d}, nil
	})
}

// Unpin lets consumers go to the head.
func (l *Log) Unpin(ctx context.Context, who Author) (Fold, error) {
	return l.intend(ctx, who, func(f Fold) (Body, error) {
		if f.Pin == nil {
			return nil, errDone
		}
		return Pin{}, nil
	})
}

// manifest returns the digest of v's manifest, found by walking back from the
// head.
func (l *Log) manifest(ctx context.Context, f Fold, v dataset.Version) (dataset.Digest, error) {
	for at, err := range l.Walk(ctx, f, l.manifests) {
		if at.Version < v {
			break
		}
		if err != nil {
			return dataset.Digest{}, err
		}
		if at.Version == v && v < f.Horizon {
			return dataset.Digest{}, belowHorizon(f, "it was announced")
		}
		if at.Version == v {
			return at.Digest, at.Lost
		}
	}
	if v < f.Horizon {
		return dataset.Digest{}, belowHorizon(f, "it was pruned, if it was announced at all")
	}
	return dataset.Digest{}, fmt.Errorf("%w: the newest is %s", ErrNotAnnounced, f.Head)
}

// belowHorizon says what can be done instead of pinning a version of which what
// is known. Whether its files are there does not matter: a prune that is under
// way may have named them, and a fold, by which a pin counts, does not know.
func belowHorizon(f Fold, what string) error {
	return fmt.Errorf("%w %s (%s): what was announced from %s to %s can be pinned; to go back to older content that can still be read, export it and publish it as a new version",
		ErrBelowHorizon, f.Horizon, what, f.Horizon, f.Head)
}
