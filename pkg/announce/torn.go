package announce

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/holdfast-data/holdfast/pkg/blob"
)

// damaged adds to err, by which the entry at pos cannot be decoded, what to do if
// it is the newest one. Stores create entries whole, so it is a damage that came
// later, or a store that does not keep its promise; either way the entry may have
// been acknowledged, and what it said cannot be guessed. Nothing in the log
// follows it: to give it up is a decision that only a person can take.
func (l *Log) damaged(ctx context.Context, pos int64, err error) error {
	if !errors.Is(err, blob.ErrMalformed) {
		return err
	}
	if there, lookErr := l.there(ctx, pos+1); lookErr != nil || there {
		return err // readers pass over an earlier one
	}
	return fmt.Errorf("%w: it is the newest of the log, and may have been acknowledged: if it stays so, put its bytes back from a copy; "+
		"to give up for good what it said, stop all producers, move %s away, and publish again", err, l.made(pos))
}

// made names the file of the entry at pos, and those that remember it.
func (l *Log) made(pos int64) string {
	key := blob.LogKey(l.name, pos)
	dir, ok := l.store.(*blob.Dir)
	if !ok {
		return key
	}
	files := []string{dir.Path(key)}
	p := projection{dir: dir, name: l.name, folder: dir.Path(string(l.name))}
	if p.projected().Position >= pos {
		files = append(files, p.path(projectedFile), p.path(announcedFile))
	}
	return strings.Join(files, ", ")
}
