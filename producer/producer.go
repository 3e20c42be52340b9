package producer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// What a full cycle is refused for.
var (
	// ErrDuplicate says that a key occurs twice in the source.
	ErrDuplicate = errors.New("key occurs twice")
	// ErrBreaking says that those who read with the declaration of the version
	// before would misread the new one.
	ErrBreaking = cycle.ErrBreaking
	// ErrNoAuthor says that nobody is named who publishes.
	ErrNoAuthor = errors.New("no author: name who publishes")
	// ErrTooManyRemoved says that a version would lose more records than is
	// allowed.
	ErrTooManyRemoved = cycle.ErrTooManyRemoved
)

// Config says what is published.
type Config struct {
	// Dataset is what is made, in Store.
	Dataset dataset.Name
	Store   blob.Store
	// Mapping is the declared schema.
	Mapping *protomap.Mapping
	// Files are read as a whole: they are the new content.
	Files []File
	// MaxLine is the limit of a line's length in bytes.
	MaxLine int
	// MaxRemoved is the part of the records, from 0 to 1, that one version may
	// remove.
	MaxRemoved float64
	// Breaking allows a declaration that readers of the one before would
	// misread.
	Breaking bool
	// AcceptDamagedLog goes on though earlier entries of the log are gone or
	// were changed.
	AcceptDamagedLog bool
	// FromScratch goes on though the newest version cannot be read: it is
	// compared with nothing, so neither MaxRemoved nor Breaking has a meaning.
	FromScratch bool
	// Takeover takes the dataset from a producer that holds a claim on it.
	Takeover bool
	// Author is who publishes, as the log names it.
	Author announce.Author
	// SnapshotEvery is the number of versions from one snapshot to the next.
	SnapshotEvery int
	// Now returns the time that versions are named after.
	Now func() time.Time
	// Logger gets what an operator should know.
	Logger *slog.Logger
	// Progress, if not nil, is called now and then with the number of records
	// read so far.
	Progress func(records int)
}

// DefaultConfig returns a Config without Dataset, Store, Mapping and Files.
func DefaultConfig() Config {
	return Config{MaxLine: DefaultMaxLine, MaxRemoved: 0.5, SnapshotEvery: 1, Now: time.Now, Logger: slog.Default()}
}

// maxConflicts bounds how often Publish starts over because others announced.
const maxConflicts = 100

// Publish runs one full cycle without claiming the dataset. If somebody else
// announces a version meanwhile it starts over from that one.
func Publish(ctx context.Context, cfg Config) (cycle.Result, error) {
	if cfg.Author.Name == "" { // the log would say so, but only when all is written
		return cycle.Result{}, fmt.Errorf("publish: %w", ErrNoAuthor)
	}
	c, err := cycle.Open(ctx, cycle.Config{
		Dataset: cfg.Dataset, Store: cfg.Store, Mapping: cfg.Mapping, Author: cfg.Author,
		SnapshotEvery: cfg.SnapshotEvery, Now: cfg.Now, Logger: cfg.Logger, Validate: cycle.AtMostRemoved(cfg.MaxRemoved),
		AcceptDamagedLog: cfg.AcceptDamagedLog, FromScratch: cfg.FromScratch,
	})
	if err != nil {
		return cycle.Result{}, fmt.Errorf("publish: %w", err)
	}
	release, err := cfg.takeOver(ctx, c)
	if err != nil {
		return cycle.Result{}, fmt.Errorf("publish: %w", err)
	}
	r, err := cfg.publish(ctx, c)
	releaseErr := release()
	if err == nil && releaseErr != nil {
		return r, fmt.Errorf("publish: %s@%s is announced, but the claim on the log is not given back: %w", cfg.Dataset, r.Version, releaseErr)
	}
	return r, errors.Join(err, releaseErr)
}

func (cfg *Config) publish(ctx context.Context, c *cycle.Cycle) (cycle.Result, error) {
	for try := 0; ; try++ {
		if err := c.CheckSchema(); err != nil && !cfg.Breaking {
			return cycle.Result{}, fmt.Errorf("publish: %w", err)
		}
		r, err := c.RunInBatches(ctx, dataset.Lineage{Producer: cfg.Author.Name}, func(to state.Batcher) error {
			return cfg.populate(ctx, to)
		})
		if !errors.Is(err, announce.ErrConflict) || try == maxConflicts {
			return r, err
		}
		cfg.Logger.Info("another version was announced meanwhile: starting over from it", "dataset", cfg.Dataset)
		if err := c.Restore(ctx); err != nil {
			return r, fmt.Errorf("publish: %w", err)
		}
	}
}

// takeOver claims the dataset if that was asked for. The returned function
// gives it back.
func (cfg *Config) takeOver(ctx context.Context, c *cycle.Cycle) (release func() error, err error) {
	if !cfg.Takeover {
		f, err := c.Log().Refresh(ctx)
		if err == nil && f.Claimed() {
			err = fmt.Errorf("%w by %q: stop it, or take the dataset with --takeover", announce.ErrClaimed, f.Holder)
		}
		return func() error { return nil }, err
	}
	if _, err := c.Log().Claim(ctx, cfg.Author, cfg.Author.Name, true); err != nil {
		return nil, err
	}
	return func() error {
		_, err := c.Log().Release(context.WithoutCancel(ctx), cfg.Author)
		return err
	}, nil
}

// progressStep is the number of records between two reports.
const progressStep = 10_000

// populate adds the records of all files, which it parses on all processors.
func (cfg *Config) populate(ctx context.Context, to state.Batcher) error {
	var readErr error
	parts := func(yield func(*part) bool) {
		p := &part{}
		readErr = eachLine(ctx, cfg.Files, cfg.MaxLine, func(at Position, line []byte) error {
			if p.add(at, line); !p.full() {
				return nil
			}
			whole := p
			p = &part{}
			if !yield(whole) {
				return errStopped
			}
			return nil
		})
		if !errors.Is(readErr, errStopped) {
			yield(p)
		}
	}
	n, seen := 0, map[string]Position{}
	err := state.AddParts(to, parts, func(b *state.Batch, p *part) error {
		p.fill(b, cfg.Mapping)
		return nil
	}, func(_ *state.Batch, p *part) error {
		if err := p.accept(cfg.Mapping, seen); err != nil {
			return err
		}
		before := n
		if n += len(p.at); n/progressStep > before/progressStep && cfg.Progress != nil {
			cfg.Progress(n)
		}
		return nil
	})
	if err == nil {
		err = readErr // of behind all that was added
	}
	if err == nil && cfg.Progress != nil {
		cfg.Progress(n)
	}
	return err
}
