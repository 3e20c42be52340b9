package producer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"

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
		r, err := c.Run(ctx, dataset.Lineage{Producer: cfg.Author.Name}, func(sink protomap.Sink) error {
			return cfg.populate(ctx, sink)
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

func (cfg *Config) populate(ctx context.Context, sink protomap.Sink) error {
	seen := map[string]Position{}
	var key []byte
	n := 0
	err := each(ctx, cfg.Files, cfg.Mapping, cfg.MaxLine, func(at Position, msg protoreflect.Message) error {
		values, err := cfg.Mapping.KeyOf(msg)
		if err != nil {
			return fmt.Errorf("read %s: %w", at, err)
		}
		key = appendKey(key[:0], values)
		if first, ok := seen[string(key)]; ok {
			return fmt.Errorf("read %s: key %v was already at %s: %w", at, values, first, ErrDuplicate)
		}
		seen[string(key)] = at
		if _, err := cfg.Mapping.Add(sink, msg); err != nil {
			return fmt.Errorf("read %s: %w", at, err)
		}
		if n++; n%progressStep == 0 && cfg.Progress != nil {
			cfg.Progress(n)
		}
		return nil
	})
	if err == nil && cfg.Progress != nil {
		cfg.Progress(n)
	}
	return err
}

// appendKey appends a form of the key in which no two keys are the same bytes.
func appendKey(b []byte, key []state.Value) []byte {
	for _, v := range key {
		b = append(b, byte(v.Type()))
		switch v.Type() {
		case state.String, state.Bytes:
			b = binary.AppendUvarint(b, uint64(len(v.Data())))
			b = append(b, v.Data()...)
		default:
			b = binary.AppendVarint(b, v.Long())
		}
	}
	return b
}
