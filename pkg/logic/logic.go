package logic

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"

	"google.golang.org/protobuf/proto"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// A Func computes all records of the output from a session and hands each to
// emit, which keeps none of them.
type Func func(ctx context.Context, s *Session, emit func(proto.Message) error) error

// A Logic is n inputs to one output.
type Logic struct {
	// Name is the declared name.
	Name string
	// Build names the code; empty means as CodeBuild has it.
	Build string
	// Inputs are the datasets that a session must hold.
	Inputs []dataset.Name
	// Output is the schema of the output dataset.
	Output *protomap.Mapping
	// Run is the code.
	Run Func
	// Sources, if not nil, names the input records that an output record of
	// this key was computed from, for those who look at a difference.
	Sources func(key []state.Value) []Source

	command *Command // that it is, nil for a function
}

// A Source is one record of an input.
type Source struct {
	Dataset dataset.Name
	Key     []state.Value
}

// A RunError says that a logic failed: its code, not what ran it.
type RunError struct {
	Logic string
	Err   error
}

func (e *RunError) Error() string { return fmt.Sprintf("run logic %s: %v", e.Logic, e.Err) }

// Unwrap returns the cause.
func (e *RunError) Unwrap() error { return e.Err }

// ExecutableBuild names the running executable by its SHA-256.
func ExecutableBuild() (string, error) {
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("name build: %w", err)
	}
	return fileBuild(path)
}

func fileBuild(path string) (string, error) {
	f, _, err := blob.OpenFile(path)
	if err != nil {
		return "", fmt.Errorf("name build: %w", err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", fmt.Errorf("name build: %w", err)
	}
	return fmt.Sprintf("sha256:%x", h.Sum(nil)), nil
}

// CodeBuild names the code: by Build if that is declared, else by a digest, of
// a command as Command.Build has it, of a function as ExecutableBuild has it.
func (l *Logic) CodeBuild() (string, error) {
	switch {
	case l.Build != "":
		return l.Build, nil
	case l.command != nil:
		return l.command.Build()
	}
	return ExecutableBuild()
}

// evaluation describes a run of l on s, without its output.
func (l *Logic) evaluation(s *Session) (dataset.Evaluation, error) {
	build, err := l.CodeBuild()
	return dataset.Evaluation{
		Logic: l.Name, Build: build, Platform: runtime.GOOS + "/" + runtime.GOARCH,
		Inputs: s.Inputs(), Clock: s.Clock(), Seed: s.Seed(),
	}, err
}

// populate returns what feeds a cycle with the records of a run.
func (l *Logic) populate(ctx context.Context, s *Session) func(protomap.Sink) error {
	return func(sink protomap.Sink) error {
		for _, n := range l.Inputs {
			if _, err := s.View(n); err != nil {
				return fmt.Errorf("run logic %s: %w", l.Name, err)
			}
		}
		own := &Session{from: s.from, clock: s.clock, seed: s.seed} // for what this run is refused
		out := &output{mapping: l.Output, sink: sink}
		err := l.run(ctx, own, out.emit)
		if err == nil {
			err = cmp.Or(own.missed(), out.refused)
		}
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil || errors.Is(err, errNotRun):
			return fmt.Errorf("run logic %s: %w", l.Name, err)
		}
		return &RunError{l.Name, err}
	}
}

// run runs the code; one that panics failed.
func (l *Logic) run(ctx context.Context, s *Session, emit func(proto.Message) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return l.Run(ctx, s, emit)
}

// Evaluate runs l on s and makes the next version of its output, which c makes
// the versions of. The run is recorded: in the version's manifest, or in the
// log if the output is that of the version before.
func (l *Logic) Evaluate(ctx context.Context, s *Session, c *cycle.Cycle) (dataset.Evaluation, cycle.Result, error) {
	e, err := l.evaluation(s) // the build first: a file may be replaced while it runs
	if err != nil {
		return e, cycle.Result{}, fmt.Errorf("run logic %s: %w", l.Name, err)
	}
	lineage := dataset.Lineage{Producer: c.Author().Name, Evaluation: &e}
	r, err := c.Run(ctx, lineage, l.populate(ctx, s))
	if errors.Is(err, cycle.ErrDuplicateKey) {
		err = &RunError{l.Name, err}
	}
	if err != nil {
		return e, r, err
	}
	done := e
	done.Output = r.Version
	if !r.Published {
		if _, err := c.Log().Evaluated(ctx, c.Author(), done); err != nil {
			return done, r, fmt.Errorf("record evaluation of %s: %w", l.Name, err)
		}
	}
	return done, r, nil
}

// Compute runs l on s and returns the output, which nobody else sees.
func (l *Logic) Compute(ctx context.Context, s *Session) (*replica.View, error) {
	b, err := state.NewBuilder(nil, l.Output.Schemas())
	if err != nil {
		return nil, fmt.Errorf("run logic %s: %w", l.Name, err)
	}
	if err := l.populate(ctx, s)(b); err != nil {
		return nil, err
	}
	out, err := b.Finish(state.Header{Origin: -1})
	if err != nil {
		return nil, fmt.Errorf("run logic %s: %w", l.Name, err)
	}
	v, err := replica.NewView(&blob.Manifest{}, out, l.Output)
	if err != nil {
		return nil, fmt.Errorf("run logic %s: %w", l.Name, err)
	}
	for o := range v.Index.Duplicates() {
		return nil, &RunError{l.Name, cycle.DuplicateKey(l.Output, v.Index.KeyOf(v.Root().Record(o)))}
	}
	return v, nil
}
