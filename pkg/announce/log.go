package announce

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"iter"
	"reflect"
	"time"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// Errors of a log.
var (
	// ErrDiverged says that the store was restored or replaced: it no longer
	// holds the entries that this Log has read. A reader calls Reset and
	// starts over by snapshot; a writer stops.
	ErrDiverged = errors.New("log diverged")
	// ErrCorrupt says that an entry contradicts those before or after it, or
	// that one is gone of which later ones are there.
	ErrCorrupt = errors.New("log corrupt")
	// ErrGap is ErrCorrupt where an entry is gone of which later ones are there.
	ErrGap = fmt.Errorf("%w", ErrCorrupt)
	// ErrShorter says that the log has lost its newest entries: what was made
	// from them is there. A writer stops.
	ErrShorter = errors.New("log is shorter than it was")
	// ErrInDoubt says that an entry was sent and that it is not known whether
	// it is in the log. The next Append of the same Log decides that first.
	ErrInDoubt = errors.New("append in doubt")
	// ErrVoid says that an entry would not count; it was not sent.
	ErrVoid = errors.New("entry would be void")
)

// retry bounds the pause between attempts to decide an append.
const (
	retryFirst = 5 * time.Millisecond
	retryLast  = time.Second
)

// Log is the announcement log of one dataset in one store. It remembers how
// far it has read, and whether it has claimed the log. A Log is safe for
// concurrent use; its operations follow one another. A writer needs a Log of
// its own. Make one with Open.
type Log struct {
	store blob.Store
	name  dataset.Name
	turn  chan struct{} // holds one token; who has it owns what follows

	fold    Fold           // of all that was read
	head    dataset.Digest // of the entry at fold.Position
	pending *pending       // sent, outcome unknown
	epoch   int64          // of our own claim; noEpoch if we have none
	deposed bool           // our claim was followed by another one
	whole   bool           // the log was found no shorter than it had been
	broken  rules          // none, but in a test
}

// pending is an entry of unknown outcome.
type pending struct {
	entry Entry
	data  []byte
	sent  bool // an attempt may have written it
}

// Open returns the log of dataset n in store. It does not touch the store.
func Open(store blob.Store, n dataset.Name) *Log {
	l := &Log{store: store, name: n, turn: make(chan struct{}, 1), fold: Empty(), epoch: noEpoch}
	l.turn <- struct{}{}
	return l
}

// Refresh reads what is new and returns the fold of all of it. After an error
// the Log stands where it stood, or further.
func (l *Log) Refresh(ctx context.Context) (Fold, error) {
	if err := l.lock(ctx); err != nil {
		return Fold{}, err
	}
	defer l.unlock()
	if err := l.refresh(ctx); err != nil {
		return l.fold, err
	}
	return l.fold, nil
}

// Check looks at the last entry that was read: ErrDiverged if it is gone or
// another one.
func (l *Log) Check(ctx context.Context) error {
	if err := l.lock(ctx); err != nil {
		return err
	}
	defer l.unlock()
	return l.check(ctx)
}

// Whole looks behind the last entry that was read: ErrCorrupt if the next one
// is gone and later ones are there.
func (l *Log) Whole(ctx context.Context) error {
	if err := l.lock(ctx); err != nil {
		return err
	}
	defer l.unlock()
	if err := l.gap(ctx, l.fold.Position); err != nil {
		return fmt.Errorf("check log of %s: %w", l.name, err)
	}
	return nil
}

// Reset forgets what was read, so that the next Refresh starts from nothing.
// An own claim is not forgotten, nor is an append in doubt.
func (l *Log) Reset() {
	<-l.turn
	defer l.unlock()
	l.fold, l.head, l.whole = Empty(), dataset.Digest{}, false
}

// Append derives an entry from the newest fold and appends it behind it. Of
// the entry, derive sets Author and Body. If another entry was faster, derive
// is called again with the fold after that one; its error ends Append. It
// returns the entry and the fold after it.
//
// While the outcome is unknown it retries the same bytes at the same
// position, until that is decided or ctx ends (ErrInDoubt), or until the store
// turns out to be another one (ErrDiverged).
func (l *Log) Append(ctx context.Context, derive func(Fold) (Entry, error)) (Entry, Fold, error) {
	if err := l.lock(ctx); err != nil {
		return Entry{}, Fold{}, err
	}
	defer l.unlock()
	if err := l.resolve(ctx); err != nil {
		return Entry{}, l.fold, fmt.Errorf("append to log of %s: %w", l.name, err)
	}
	for {
		e, won, err := l.attempt(ctx, derive)
		if err != nil {
			return Entry{}, l.fold, fmt.Errorf("append to log of %s: %w", l.name, err)
		}
		if won {
			return e, l.fold, nil
		}
	}
}

// Settle decides an append of unknown outcome, if there is one (ErrInDoubt if it
// cannot, ErrDiverged if the store is another one). Until then nothing may be built on what this Log has read.
func (l *Log) Settle(ctx context.Context) error {
	if err := l.lock(ctx); err != nil {
		return err
	}
	defer l.unlock()
	if err := l.resolve(ctx); err != nil {
		return fmt.Errorf("settle log of %s: %w", l.name, err)
	}
	return nil
}

// resolve decides what is in doubt, if anything.
func (l *Log) resolve(ctx context.Context) (err error) {
	if l.broken.doubt {
		l.pending = nil
	}
	if l.pending != nil {
		_, err = l.decide(ctx)
	}
	return err
}

// attempt appends once; won is false if another entry was faster.
func (l *Log) attempt(ctx context.Context, derive func(Fold) (Entry, error)) (e Entry, won bool, err error) {
	if err := l.refresh(ctx); err != nil {
		return Entry{}, false, err
	}
	if err := l.ready(ctx); err != nil {
		return Entry{}, false, err
	}
	if e, err = derive(l.fold); err != nil {
		return Entry{}, false, err
	}
	e, data, err := l.complete(e)
	if err != nil {
		return Entry{}, false, err
	}
	l.pending = &pending{entry: e, data: data}
	won, err = l.decide(ctx)
	return e, won, err
}

// complete fills in what derive does not, and returns the entry as readers
// will see it, with its bytes.
func (l *Log) complete(e Entry) (Entry, []byte, error) {
	if e.Body == nil || e.Author.Name == "" {
		return Entry{}, nil, fmt.Errorf("%w: it has no body or no author", ErrVoid)
	}
	if err := l.admit(e.Body); err != nil && !l.broken.admit {
		return Entry{}, nil, err
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails
	e.Kind, e.ID = e.Body.kind(), hex.EncodeToString(id[:])
	e.Link, e.Fold, e.Epoch = l.head, l.fold, l.fold.Epoch
	if l.epoch != noEpoch && !l.broken.ownEpoch {
		e.Epoch = l.epoch
	}
	if c, ok := e.Body.(Claim); ok && !c.Released && !l.broken.claimEpoch {
		e.Epoch = e.Position()
	}
	if e.When.IsZero() {
		e.When = time.Now()
	}
	data, err := e.Encode()
	if err != nil {
		return Entry{}, nil, err
	}
	if e, err = DecodeEntry(data); err != nil {
		return Entry{}, nil, err
	}
	if _, valid := l.apply(l.fold, e); !valid && !l.broken.void {
		return Entry{}, nil, fmt.Errorf("%w: %s %s on head %s, horizon %s", ErrVoid, e.Kind, inWords(e.Body), inWords(l.fold.Head), inWords(l.fold.Horizon))
	}
	return e, data, nil
}

// decide sends the pending entry until its outcome is known: won, or lost to
// another entry. A failure that certainly wrote nothing ends it too, unless
// an earlier attempt may still have written.
func (l *Log) decide(ctx context.Context) (won bool, err error) {
	p := l.pending
	key := blob.LogKey(l.name, p.entry.Position())
	for pause := retryFirst; ; pause = min(2*pause, retryLast) {
		err := l.stillFollows(ctx, p)
		if errors.Is(err, ErrDiverged) {
			return false, err
		}
		if err == nil {
			err = l.store.Put(ctx, key, p.data)
		}
		if err == nil {
			return l.settle(p.data)
		}
		if errors.Is(err, blob.ErrExists) {
			var there []byte
			if there, err = l.store.Get(ctx, key); err == nil {
				_, err = decodeWhole(there) // else it is not known whose it is
			}
			if err == nil {
				return l.settle(there)
			}
		}
		if !p.sent && errors.Is(err, blob.ErrNotWritten) {
			l.pending = nil
			return false, err
		}
		p.sent = true
		if l.broken.sameBytes {
			l.pending = nil
			return false, nil
		}
		select {
		case <-ctx.Done():
			return false, fmt.Errorf("%w: position %d: %w", ErrInDoubt, p.entry.Position(), errors.Join(ctx.Err(), err))
		case <-time.After(pause):
		}
	}
}

// stillFollows looks, before p is sent again, at the entry that it follows: in
// a store that was restored meanwhile it would stand behind a hole.
func (l *Log) stillFollows(ctx context.Context, p *pending) error {
	if !p.sent || l.broken.ownHead {
		return nil // before the first attempt, ready has looked
	}
	return l.checkAt(ctx, p.entry.Fold.Position, p.entry.Link)
}

// settle ends the pending append, at whose position data was found.
func (l *Log) settle(data []byte) (won bool, err error) {
	p := l.pending
	won = bytes.Equal(data, p.data)
	if won && p.entry.Fold.Position == l.fold.Position {
		return true, l.accept(data)
	}
	// Another entry, or Reset has come between: the next refresh reads it.
	l.pending = nil
	if won {
		l.own(p.entry)
	}
	return won, nil
}

// own notes that an entry of this Log is in the log.
func (l *Log) own(e Entry) {
	if c, ok := e.Body.(Claim); ok {
		l.epoch, l.deposed = e.Epoch, false
		if c.Released {
			l.epoch = noEpoch
		}
	}
}

// refresh reads on from the own head, or finds the head if it has none.
func (l *Log) refresh(ctx context.Context) error {
	if l.fold.Position < 0 {
		if err := l.start(ctx); err != nil {
			return fmt.Errorf("read log of %s: %w", l.name, err)
		}
	}
	for {
		data, err := l.store.Get(ctx, blob.LogKey(l.name, l.fold.Position+1))
		if errors.Is(err, blob.ErrNotFound) {
			return nil
		}
		if err == nil {
			err = l.accept(data)
		}
		if err != nil {
			return fmt.Errorf("read log of %s: %w", l.name, l.damaged(ctx, l.fold.Position+1, err))
		}
	}
}

// start finds the last entry and takes what came before from its fold.
func (l *Log) start(ctx context.Context) error {
	last, err := l.last(ctx)
	if err == nil {
		err = l.gap(ctx, last)
	}
	if err != nil || last < 0 {
		return err
	}
	data, err := l.store.Get(ctx, blob.LogKey(l.name, last))
	if err != nil {
		return err
	}
	e, err := decodeWhole(data)
	if err != nil {
		return l.damaged(ctx, last, fmt.Errorf("position %d: %w", last, err))
	}
	if e.Position() != last {
		return fmt.Errorf("position %d: %w: the entry is of %d", last, ErrCorrupt, e.Position())
	}
	l.fold, _ = l.apply(e.Fold, e)
	l.head = dataset.DigestOf(data)
	return nil
}

// last returns the last position of the log, -1 if it is empty, in a number
// of looks that grows with its logarithm.
func (l *Log) last(ctx context.Context) (int64, error) {
	low, high := int64(-1), int64(0) // low is there, high is the next to look at
	for {
		there, err := l.there(ctx, high)
		if err != nil {
			return 0, err
		}
		if !there {
			break
		}
		low, high = high, 2*high+1
	}
	for high-low > 1 {
		middle := low + (high-low)/2
		there, err := l.there(ctx, middle)
		if err != nil {
			return 0, err
		}
		if there {
			low = middle
		} else {
			high = middle
		}
	}
	return low, nil
}

func (l *Log) there(ctx context.Context, pos int64) (bool, error) {
	_, err := l.store.Stat(ctx, blob.LogKey(l.name, pos))
	if errors.Is(err, blob.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

// accept folds in the entry at the next position.
func (l *Log) accept(data []byte) error {
	e, err := l.follow(l.fold, l.head, data)
	if err != nil {
		return err
	}
	l.fold, _ = l.apply(l.fold, e)
	l.head = dataset.DigestOf(data)
	if p := l.pending; p != nil && p.entry.Position() <= e.Position() {
		l.pending = nil
		if p.entry.ID == e.ID {
			l.own(e)
		}
	}
	return nil
}

// decodeWhole decodes an entry whose last byte is there: its digest counts.
func decodeWhole(data []byte) (Entry, error) {
	if !bytes.HasSuffix(data, []byte("\n")) {
		return Entry{}, fmt.Errorf("%w: the entry is cut", blob.ErrMalformed)
	}
	return DecodeEntry(data)
}

// follow decodes data as the entry after those of f, the last of which has
// the digest head.
func (l *Log) follow(f Fold, head dataset.Digest, data []byte) (Entry, error) {
	pos := f.Position + 1
	e, err := decodeWhole(data)
	if err != nil {
		return Entry{}, fmt.Errorf("position %d: %w", pos, err)
	}
	if e.Link != head && !l.broken.link {
		return Entry{}, fmt.Errorf("position %d: %w: it follows %s, not our %s", pos, ErrDiverged, e.Link, head)
	}
	if !reflect.DeepEqual(e.Fold, f) && !l.broken.fold {
		return Entry{}, fmt.Errorf("position %d: %w: its fold is not what the entries before it say: %s", pos, ErrCorrupt, e.Fold.differ(f))
	}
	return e, nil
}

// apply returns the fold after e, which follows f.
func (l *Log) apply(f Fold, e Entry) (Fold, bool) {
	if l.broken.apply != nil {
		return l.broken.apply(f, e)
	}
	return f.Apply(e)
}

// Entries yields the history of the log, oldest first, and ends with the last
// entry or an error: ErrGap where one is gone that a reader need not have. Void
// entries are among them; e.Fold.Apply(e) tells. It reads the store anew and does not
// touch what the Log remembers.
func (l *Log) Entries(ctx context.Context) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		fold, head := Empty(), dataset.Digest{}
		for {
			data, err := l.store.Get(ctx, blob.LogKey(l.name, fold.Position+1))
			if errors.Is(err, blob.ErrNotFound) {
				if err = l.gap(ctx, fold.Position); err == nil {
					return
				}
			}
			var e Entry
			if err == nil {
				e, err = l.follow(fold, head, data)
			}
			if err != nil {
				yield(Entry{}, fmt.Errorf("read log of %s: %w", l.name, l.damaged(ctx, fold.Position+1, err)))
				return
			}
			if !yield(e, nil) {
				return
			}
			fold, _ = l.apply(fold, e)
			head = dataset.DigestOf(data)
		}
	}
}

// lock waits for the turn of the caller, at most as long as ctx lives.
func (l *Log) lock(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("log of %s: %w", l.name, err)
	}
	select {
	case <-l.turn:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("log of %s: %w", l.name, ctx.Err())
	}
}

func (l *Log) unlock() { l.turn <- struct{}{} }
