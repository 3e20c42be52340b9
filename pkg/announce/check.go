package announce

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// rules are those that a Log keeps by itself. The zero value keeps all of them;
// a test breaks them in turn, to show what each of them is for.
type rules struct {
	ownHead    bool // look at the own last entry before an append
	link       bool // an entry follows the reader's own last entry
	fold       bool // an entry's fold is the reader's own
	sameBytes  bool // an attempt of unknown outcome is repeated as it was
	doubt      bool // what is in doubt is decided before anything else
	admit      bool // who is deposed stops, and a claim is its holder's
	ownEpoch   bool // a holder's entries bear the epoch of its own claim
	claimEpoch bool // a claim's epoch is its own position
	void       bool // an entry that would not count is not sent
	gap        bool // who has no memory looks behind the end of the log
	// apply, if not nil, takes the place of Fold.Apply.
	apply func(Fold, Entry) (Fold, bool)
}

// ready says whether the store is the one that was read, and no shorter than it
// was.
func (l *Log) ready(ctx context.Context) error {
	if !l.broken.ownHead {
		if err := l.check(ctx); err != nil {
			return err
		}
	}
	if l.whole || l.broken.gap {
		return nil
	}
	if err := l.shrunk(ctx); err != nil {
		return err
	}
	l.whole = true
	return nil
}

// gap looks for entries behind position end, which is the last one that is
// there as far as was found: no reader comes to them, and an append would make
// a second chain. Half a copy of a store is like that.
func (l *Log) gap(ctx context.Context, end int64) error {
	if l.broken.gap {
		return nil
	}
	later, err := blob.After(ctx, l.store, string(l.name)+"/log/", blob.LogKey(l.name, end+1))
	if err != nil {
		return err
	}
	later = slices.DeleteFunc(later, func(key string) bool { return !blob.IsLogKey(l.name, key) })
	if len(later) == 0 {
		return nil
	}
	if there, err := l.there(ctx, end+1); err != nil || there {
		return err // a writer was faster
	}
	return fmt.Errorf("%w: position %d is gone, and %s is there: the store is half a copy, or has lost a file: put the missing entries back; "+
		"if they are lost for good, see \"An earlier entry of the log\" in docs/operations.md", ErrGap, end+1, later[0])
}

// shrunk looks at what the last projection of a directory store remembers: it
// was made from an entry that was in the log then.
func (l *Log) shrunk(ctx context.Context) error {
	dir, ok := l.store.(*blob.Dir)
	if !ok {
		return nil
	}
	p := projection{dir: dir, name: l.name, folder: dir.Path(string(l.name))}
	was := p.projected().Position
	if was <= l.fold.Position {
		return nil
	}
	if newer, err := p.newer(ctx, l.fold); err != nil || newer {
		return err // a writer was faster
	}
	return fmt.Errorf("log of %s: %w: the newest entry is %d, and %s was made from entry %d: put back what follows %d; to give it up for good, remove %s and %s",
		l.name, ErrShorter, l.fold.Position, p.path(projectedFile), was, l.fold.Position, p.path(projectedFile), p.path(announcedFile))
}

// How far back CheckChain looks: a folder is read fast, each entry of a bucket
// is a request.
const (
	chainReachDir    = 100_000
	chainReachBucket = 256
)

// CheckChain reads the entries before the last one that was read, newest first,
// and compares each with the digest that the next one names. One that is gone
// or was changed is ErrCorrupt. In a bucket it looks at the newest 256 only.
func (l *Log) CheckChain(ctx context.Context) error {
	if err := l.lock(ctx); err != nil {
		return err
	}
	defer l.unlock()
	reach := int64(chainReachBucket)
	if _, ok := l.store.(*blob.Dir); ok {
		reach = chainReachDir
	}
	want := l.head
	for pos := l.fold.Position; pos >= 0 && pos > l.fold.Position-reach; pos-- {
		link, err := l.linkAt(ctx, pos, want)
		if err != nil {
			return fmt.Errorf("check log of %s: position %d: %w", l.name, pos, err)
		}
		want = link
	}
	return nil
}

// linkAt returns the link of the entry at pos, whose digest is to be want.
func (l *Log) linkAt(ctx context.Context, pos int64, want dataset.Digest) (dataset.Digest, error) {
	data, err := l.store.Get(ctx, blob.LogKey(l.name, pos))
	if errors.Is(err, blob.ErrNotFound) {
		err = fmt.Errorf("%w: the entry is gone", ErrCorrupt)
	}
	if err != nil {
		return dataset.Digest{}, err
	}
	if got := dataset.DigestOf(data); got != want {
		return dataset.Digest{}, fmt.Errorf("%w: the entry was changed: it is %s, and the next one names %s", ErrCorrupt, got, want)
	}
	e, err := decodeWhole(data)
	return e.Link, err
}

// check looks at the own head again.
func (l *Log) check(ctx context.Context) error {
	return l.checkAt(ctx, l.fold.Position, l.head)
}

// checkAt says whether the entry at pos, if that is a position, is still the one
// with the digest want.
func (l *Log) checkAt(ctx context.Context, pos int64, want dataset.Digest) error {
	if pos < 0 {
		return nil
	}
	data, err := l.store.Get(ctx, blob.LogKey(l.name, pos))
	if errors.Is(err, blob.ErrNotFound) {
		return fmt.Errorf("check log of %s: %w: position %d is gone", l.name, ErrDiverged, pos)
	}
	if err != nil {
		return fmt.Errorf("check log of %s: %w", l.name, err)
	}
	if got := dataset.DigestOf(data); got != want {
		if _, err := decodeWhole(data); err != nil { // half of it is no other entry
			return fmt.Errorf("check log of %s: position %d: %w", l.name, pos, err)
		}
		return fmt.Errorf("check log of %s: %w: position %d is %s, was %s", l.name, ErrDiverged, pos, got, want)
	}
	return nil
}
