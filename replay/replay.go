package replay

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/diff"
)

// Config says what is replayed.
type Config struct {
	// Store has PROD's datasets, Output is the one that is compared.
	Store  blob.Store
	Output dataset.Name
	// Control is PROD's logic; nil makes every verdict inconclusive.
	Control *logic.Logic
	// Candidate is the logic under test; Outputs is where its versions go.
	Candidate *logic.Logic
	Outputs   blob.Store
	// Gate is the rule; Values are the fields whose changes of value are
	// counted; Examples is how many records of each kind are shown.
	Gate     compare.Gate
	Values   []string
	Examples int
	// Now returns the time that the candidate's versions are named after.
	Now    func() time.Time
	Logger *slog.Logger
}

// A Runner replays evaluations one after the other. It is for one goroutine.
type Runner struct {
	cfg     Config
	inputs  *logic.Opener
	outputs *logic.Opener
	cycle   *cycle.Cycle
	checked *compare.Check
}

// Open returns a Runner.
func Open(ctx context.Context, cfg Config) (*Runner, error) {
	c, err := cycle.Open(ctx, cycle.Config{
		Dataset: cfg.Output, Store: cfg.Outputs, Mapping: cfg.Candidate.Output,
		Author: announce.Author{Name: "replay"}, SnapshotEvery: 1, Now: cfg.Now, Logger: cfg.Logger,
	})
	if err != nil {
		return nil, fmt.Errorf("replay: %w", err)
	}
	return &Runner{cfg: cfg, inputs: logic.NewOpener(cfg.Store), outputs: logic.NewOpener(cfg.Store), cycle: c}, nil
}

// Check runs the control on the session of e and says whether it makes the
// same content.
func (r *Runner) Check(ctx context.Context, e dataset.Evaluation) (compare.Check, error) {
	out := compare.Check{Version: e.Output}
	if r.cfg.Control == nil {
		return out, nil
	}
	want, err := r.outputs.View(ctx, r.cfg.Output, e.Output)
	if err != nil {
		return out, fmt.Errorf("replay control: %w", err)
	}
	s, err := r.inputs.Session(ctx, e)
	if err != nil {
		return out, fmt.Errorf("replay control: %w", err)
	}
	got, err := r.cfg.Control.Compute(ctx, s)
	if err != nil {
		return out, fmt.Errorf("replay control: %w", err)
	}
	if out.Checksum, err = got.State.Checksum(); err != nil {
		return out, fmt.Errorf("replay control: %w", err)
	}
	out.Reproduced = out.Checksum == want.Manifest.Checksum
	r.checked = &out
	return out, nil
}

// Replay runs the candidate on the session of e and compares. The verdict is
// inconclusive unless the last Check reproduced PROD's output.
func (r *Runner) Replay(ctx context.Context, e dataset.Evaluation) (*compare.Report, error) {
	start := r.cfg.Now()
	s, err := r.inputs.Session(ctx, e)
	if err != nil {
		return nil, fmt.Errorf("replay candidate: %w", err)
	}
	want, err := r.outputs.View(ctx, r.cfg.Output, e.Output)
	if err != nil {
		return nil, fmt.Errorf("replay candidate: %w", err)
	}
	if _, _, err := r.cfg.Candidate.Evaluate(ctx, s, r.cycle); err != nil {
		return nil, fmt.Errorf("replay candidate: %w", err)
	}
	got := r.cycle.Base()
	d, err := diff.States(want.State, got.State, diff.Options{
		Type: got.Root().Schema().Name, Examples: r.cfg.Examples, Values: r.cfg.Values,
	})
	if err != nil {
		return nil, fmt.Errorf("replay candidate: %w", err)
	}
	out := &compare.Report{
		Candidate: r.Candidate(), Output: e.Output, Evaluation: e,
		Added: d.Added, Removed: d.Removed, Changed: d.Changed, Unchanged: d.Unchanged,
		Fields: d.Fields, Transitions: d.Transitions,
	}
	if out.Examples, err = r.examples(s, want, got, d); err != nil {
		return nil, fmt.Errorf("replay candidate: %w", err)
	}
	out.Verdict, out.Reasons = r.judge(d)
	out.Seconds = r.cfg.Now().Sub(start).Seconds()
	return out, nil
}

// Candidate returns the name of the build under test.
func (r *Runner) Candidate() string { return r.cfg.Candidate.Build }

func (r *Runner) judge(d *diff.Result) (compare.Verdict, []string) {
	switch {
	case r.cfg.Control == nil:
		return compare.Inconclusive, []string{"there is no control to compare with"}
	case r.checked == nil:
		return compare.Inconclusive, []string{"the control was not run"}
	case !r.checked.Reproduced:
		return compare.Inconclusive, []string{"the control did not reproduce PROD's output"}
	}
	return r.cfg.Gate.Judge(d)
}

func (r *Runner) examples(s *logic.Session, want, got *replica.View, d *diff.Result) ([]compare.Example, error) {
	var out []compare.Example
	for _, x := range d.Examples {
		e := compare.Example{Kind: x.Kind.String(), Key: texts(x.Key), Fields: x.Fields}
		var err error
		if x.Kind != diff.Added {
			e.From, err = want.JSON(x.From)
		}
		if x.Kind != diff.Removed && err == nil {
			e.To, err = got.JSON(x.To)
		}
		if err == nil && r.cfg.Candidate.Sources != nil {
			e.Sources, err = sources(s, r.cfg.Candidate.Sources(x.Key))
		}
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

func sources(s *logic.Session, list []logic.Source) ([]compare.Source, error) {
	var out []compare.Source
	for _, x := range list {
		v, err := s.View(x.Dataset)
		if err != nil {
			return nil, err
		}
		source := compare.Source{Dataset: x.Dataset, Version: v.Version(), Key: texts(x.Key)}
		if rec, ok := v.Index.Record(x.Key...); ok {
			if source.Record, err = v.JSON(rec); err != nil {
				return nil, err
			}
		}
		out = append(out, source)
	}
	return out, nil
}

func texts(key []state.Value) []string {
	out := make([]string, len(key))
	for i, v := range key {
		out[i] = v.String()
	}
	return out
}
