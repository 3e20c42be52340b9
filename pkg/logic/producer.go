package logic

import (
	"context"
	crand "crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// ErrConfig says that a Producer cannot work as it is configured.
var ErrConfig = errors.New("bad configuration of a logic")

// ProducerConfig says what a Producer evaluates. DefaultProducerConfig fills in
// all but the first four.
type ProducerConfig struct {
	// Store has the datasets of Logic.Inputs, and gets the versions of Output.
	Store  blob.Store
	Output dataset.Name
	// Logic is what makes them: PROD's.
	Logic *Logic
	// Author is who makes them, as the log names it.
	Author announce.Author
	// SnapshotEvery is the number of versions from one snapshot to the next.
	SnapshotEvery int
	// MaxRemoved is the part of the records, from 0 to 1, that one version may
	// remove.
	MaxRemoved float64
	// Breaking allows a schema of the output that readers of the one before
	// would misread.
	Breaking bool
	// AcceptDamagedLog and FromScratch are those of cycle.Config: for an output of which
	// earlier entries of the log, or files of the newest version, are lost.
	AcceptDamagedLog, FromScratch bool
	// Poll is how often Follow looks for new versions of the inputs. Every is
	// the time after which it evaluates although there are none, for a logic that
	// looks at the clock; 0 means never.
	Poll, Every time.Duration
	// Now returns the time that sessions have as their clock and that versions
	// are named after.
	Now func() time.Time
	// Logger gets what an operator should know.
	Logger *slog.Logger
}

// DefaultProducerConfig returns a ProducerConfig without Store, Output, Logic
// and Author.
func DefaultProducerConfig() ProducerConfig {
	return ProducerConfig{SnapshotEvery: 1, MaxRemoved: 0.5, Poll: time.Second, Now: time.Now, Logger: slog.Default()}
}

func (c *ProducerConfig) check() error {
	switch {
	case c.Author.Name == "":
		return fmt.Errorf("%w: no author: name who makes the versions", ErrConfig)
	case slices.Contains(c.Logic.Inputs, c.Output):
		return fmt.Errorf("%w: %s is input and output: a logic never sees its output before", ErrConfig, c.Output)
	case len(slices.Compact(slices.Sorted(slices.Values(c.Logic.Inputs)))) != len(c.Logic.Inputs):
		return fmt.Errorf("%w: an input is named twice", ErrConfig)
	case c.SnapshotEvery < 1 || c.Poll <= 0 || c.Every < 0 || !(c.MaxRemoved >= 0 && c.MaxRemoved <= 1):
		return fmt.Errorf("%w: SnapshotEvery must be at least 1, Poll greater than 0, Every not negative, MaxRemoved in 0 to 1", ErrConfig)
	}
	return nil
}

// A Producer runs a logic as PROD: on the newest versions of its inputs, each
// run recorded. It is for one goroutine; any number of processes may have one of
// the same output, though one is enough.
type Producer struct {
	cfg    ProducerConfig
	inputs *Opener
	cycle  *cycle.Cycle

	seen  map[dataset.Name]dataset.Version // what the last good run read; nil before
	ran   time.Time                        // when that run began
	ended bool                             // the output is lost to this Producer
}

// OpenProducer returns a Producer that goes on from the newest version of the
// output, if there is one. It fails with ErrConfig, and with cycle.ErrBreaking.
func OpenProducer(ctx context.Context, cfg ProducerConfig) (*Producer, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	p := &Producer{cfg: cfg, inputs: NewOpener(cfg.Store)}
	var err error
	p.cycle, err = cycle.Open(ctx, cycle.Config{
		Dataset: cfg.Output, Store: cfg.Store, Mapping: cfg.Logic.Output, Author: cfg.Author, SnapshotEvery: cfg.SnapshotEvery,
		Now: cfg.Now, Logger: cfg.Logger, Validate: cycle.AtMostRemoved(cfg.MaxRemoved),
		AcceptDamagedLog: cfg.AcceptDamagedLog, FromScratch: cfg.FromScratch,
	})
	if err == nil {
		err = p.checkSchema()
	}
	if err != nil {
		return nil, fmt.Errorf("evaluate %s: %w", cfg.Output, err)
	}
	return p, nil
}

func (p *Producer) checkSchema() error {
	if p.cfg.Breaking {
		return nil
	}
	return p.cycle.CheckSchema()
}

// Evaluate runs the logic once, on the effective version of each input: the
// newest, or that of a pin. It fails with replica.ErrEmpty if an input has none
// yet, and with a RunError if the logic fails; the output is then as before.
func (p *Producer) Evaluate(ctx context.Context) (dataset.Evaluation, cycle.Result, error) {
	at, err := p.look(ctx)
	if err != nil {
		return dataset.Evaluation{}, cycle.Result{}, fmt.Errorf("evaluate %s: %w", p.cfg.Output, err)
	}
	return p.evaluate(ctx, at)
}

// look returns the effective version of each input.
func (p *Producer) look(ctx context.Context) (map[dataset.Name]dataset.Version, error) {
	out := map[dataset.Name]dataset.Version{}
	for _, n := range p.cfg.Logic.Inputs {
		f, err := announce.Open(p.cfg.Store, n).Refresh(ctx)
		if err != nil {
			return nil, fmt.Errorf("look for input %s: %w", n, err)
		}
		v, _ := f.Effective()
		if v == dataset.None {
			return nil, fmt.Errorf("input %s: %w", n, replica.ErrEmpty)
		}
		out[n] = v
	}
	return out, nil
}

func (p *Producer) evaluate(ctx context.Context, at map[dataset.Name]dataset.Version) (dataset.Evaluation, cycle.Result, error) {
	start := p.cfg.Now()
	s, err := p.session(ctx, at, start)
	var e dataset.Evaluation
	var r cycle.Result
	if err == nil {
		e, r, err = p.run(ctx, s)
		p.ended = lasting(err) // only of the output: who reads a log that was replaced reads it anew
	}
	if err != nil {
		return e, r, fmt.Errorf("evaluate %s: %w", p.cfg.Output, err)
	}
	p.seen, p.ran = at, start
	return e, r, nil
}

func (p *Producer) session(ctx context.Context, at map[dataset.Name]dataset.Version, clock time.Time) (*Session, error) {
	var views []*replica.View
	for _, n := range p.cfg.Logic.Inputs {
		v, err := p.inputs.View(ctx, n, at[n])
		if err != nil {
			return nil, err
		}
		views = append(views, v)
	}
	var seed [8]byte
	if _, err := crand.Read(seed[:]); err != nil {
		return nil, fmt.Errorf("make seed: %w", err)
	}
	return NewSession(views, clock, dataset.Seed(binary.LittleEndian.Uint64(seed[:]))), nil
}

// maxConflicts bounds how often a run starts over because others announced.
const maxConflicts = 100

// run makes the next version of the output. If somebody else announces one
// meanwhile, it starts over from that one.
func (p *Producer) run(ctx context.Context, s *Session) (dataset.Evaluation, cycle.Result, error) {
	for try := 0; ; try++ {
		if err := p.prepare(ctx); err != nil {
			return dataset.Evaluation{}, cycle.Result{}, err
		}
		e, r, err := p.cfg.Logic.Evaluate(ctx, s, p.cycle)
		if !errors.Is(err, announce.ErrConflict) || try == maxConflicts {
			return e, r, err
		}
		p.cfg.Logger.Info("another version was announced meanwhile: starting over from it", "dataset", p.cfg.Output)
	}
}

// prepare moves to the newest version of the output, whoever made it, and fails
// before the logic runs if what it makes could not be announced.
func (p *Producer) prepare(ctx context.Context) error {
	if err := p.cycle.Restore(ctx); err != nil {
		return err
	}
	f, err := p.cycle.Log().Refresh(ctx)
	if err != nil {
		return err
	}
	if f.Claimed() {
		return fmt.Errorf("%w by %q: stop it first", announce.ErrClaimed, f.Holder)
	}
	return p.checkSchema()
}

// longestPause bounds the time from a failure to the next attempt, unless Poll
// is longer.
const longestPause = time.Minute

// Follow evaluates once, and then whenever the effective version of an input is
// another one, or Every has passed, until ctx ends; then it returns nil. done, if
// not nil, gets each good run. What a wait may mend, such as a store out of
// reach, a logic that fails or an input that is not there yet, is logged, and
// tried again at the latest after a minute. What no wait mends is returned: the
// output's log was replaced, damaged or taken over, or somebody made a version
// whose readers the schema would break.
func (p *Producer) Follow(ctx context.Context, done func(dataset.Evaluation, cycle.Result)) error {
	pause, failing := p.cfg.Poll, false
	for {
		err := p.step(ctx, done)
		switch {
		case ctx.Err() != nil:
			return nil
		case p.ended:
			return err
		case err != nil:
			pause, failing = min(2*pause, max(p.cfg.Poll, longestPause)), true
			p.cfg.Logger.Warn("the logic was not evaluated, trying again", "dataset", p.cfg.Output, "in", pause, "error", err)
		default:
			if failing {
				p.cfg.Logger.Info("the logic is evaluated again", "dataset", p.cfg.Output)
			}
			pause, failing = p.cfg.Poll, false
		}
		timer := time.NewTimer(pause)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// step evaluates if there is something to do.
func (p *Producer) step(ctx context.Context, done func(dataset.Evaluation, cycle.Result)) error {
	at, err := p.look(ctx)
	if err != nil {
		return err
	}
	due := p.cfg.Every > 0 && p.cfg.Now().Sub(p.ran) >= p.cfg.Every
	if p.seen != nil && maps.Equal(at, p.seen) && !due {
		return nil
	}
	e, r, err := p.evaluate(ctx, at)
	if err == nil && done != nil {
		done(e, r)
	}
	return err
}

// lasting says whether an error is one that no waiting mends.
func lasting(err error) bool {
	return slices.ContainsFunc([]error{
		announce.ErrDeposed, announce.ErrDiverged, announce.ErrCorrupt, announce.ErrForeign, cycle.ErrBreaking,
	}, func(cause error) bool { return errors.Is(err, cause) })
}
