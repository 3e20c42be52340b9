package announce

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// rules are those that a Log keeps by itself. The zero value keeps all of them;
// a test breaks them in turn, to show what each of them is for.
type rules struct {
	ownHead   bool // look at the own last entry before an append
	link      bool // an entry follows the reader's own last entry
	fold      bool // an entry's fold is the reader's own
	sameBytes bool // an attempt of unknown outcome is repeated as it was
	doubt     bool // what is in doubt is decided before anything else
	admit     bool // who is deposed stops, and a claim is its holder's
	ownEpoch  bool // a holder's entries bear the epoch of its own claim
	gap       bool // a writer without memory looks behind the end of the log
	// apply, if not nil, takes the place of Fold.Apply.
	apply func(Fold, Entry) (Fold, bool)
}

// ready says whether the store is the one that was read, and whole.
func (l *Log) ready(ctx context.Context) error {
	if !l.broken.ownHead {
		if err := l.check(ctx); err != nil {
			return err
		}
	}
	if l.whole || l.broken.gap {
		return nil
	}
	if err := l.gap(ctx); err != nil {
		return err
	}
	l.whole = true
	return nil
}

// gapReach is how far behind the end a writer looks for entries that no reader
// comes to.
const gapReach = 1 << 10

// gap looks at positions behind the end of a log that was found without
// memory. An entry there, and none at the end, are what half a copy of a store
// has: an append would make a second chain.
func (l *Log) gap(ctx context.Context) error {
	end := l.fold.Position + 1
	for step := int64(1); step <= gapReach; step *= 2 {
		there, err := l.there(ctx, end+step)
		if err == nil && there {
			there, err = l.there(ctx, end) // else another writer was faster
			if err == nil && !there {
				err = fmt.Errorf("%w: position %d is there, %d is not: the store is half a copy", ErrCorrupt, end+step, end)
			}
		}
		if err != nil {
			return fmt.Errorf("check log of %s: %w", l.name, err)
		}
	}
	return nil
}

// check looks at the own head again.
func (l *Log) check(ctx context.Context) error {
	if l.fold.Position < 0 {
		return nil
	}
	data, err := l.store.Get(ctx, blob.LogKey(l.name, l.fold.Position))
	if errors.Is(err, blob.ErrNotFound) {
		return fmt.Errorf("check log of %s: %w: position %d is gone", l.name, ErrDiverged, l.fold.Position)
	}
	if err != nil {
		return fmt.Errorf("check log of %s: %w", l.name, err)
	}
	if got := dataset.DigestOf(data); got != l.head {
		if _, err := decodeWhole(data); err != nil { // half of it is no other entry
			return fmt.Errorf("check log of %s: position %d: %w", l.name, l.fold.Position, err)
		}
		return fmt.Errorf("check log of %s: %w: position %d is %s, was %s", l.name, ErrDiverged, l.fold.Position, got, l.head)
	}
	return nil
}
