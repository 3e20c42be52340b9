package shadow

import (
	"context"
	"fmt"

	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// A Replayer runs the candidate on the inputs of an evaluation and compares.
type Replayer interface {
	// Report returns what is known of a run before it is made: all that its
	// verdict depends on, by which it is kept.
	Report(e dataset.Evaluation) *compare.Report
	Replay(ctx context.Context, e dataset.Evaluation) (*compare.Report, error)
}

// A Follower runs a candidate on evaluations that it has no run of, and keeps
// what each showed. It is for one goroutine.
type Follower struct {
	Replayer Replayer
	Runs     *Store
	// Again has evaluations run once more of which a run was kept before, in
	// whose place the new one goes.
	Again bool
	// Seen, if it is not nil, gets each report once: that of a run when it ends,
	// and a kept one, whose Kept is set, in its turn.
	Seen func(*compare.Report)

	made map[string]bool // by ID: the runs that it made itself
	seen map[string]bool // and what Seen was told of
}

// Follow runs the candidate on each evaluation that has no kept run, in order,
// keeps each report and returns those of all evaluations. After an error it can
// be called again, and goes on.
func (f *Follower) Follow(ctx context.Context, evaluations []dataset.Evaluation) ([]*compare.Report, error) {
	all, err := f.Runs.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("shadow: %w", err)
	}
	kept := map[string]*compare.Report{}
	for _, report := range all {
		kept[ID(report)] = report
	}
	if f.made == nil {
		f.made, f.seen = map[string]bool{}, map[string]bool{}
	}
	var out []*compare.Report
	for _, e := range evaluations {
		report, err := f.report(ctx, e, kept)
		if err != nil {
			return nil, fmt.Errorf("shadow: %w", err)
		}
		out = append(out, report)
	}
	return out, nil
}

// Gone returns the kept runs of this candidate whose evaluations are none of these,
// in order of the evaluations' clocks: their verdicts stand, although nobody can make
// them again. Seen is not told of them.
func (f *Follower) Gone(ctx context.Context, evaluations []dataset.Evaluation) ([]*compare.Report, error) {
	all, err := f.Runs.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("shadow: %w", err)
	}
	there := map[string]bool{}
	for _, e := range evaluations {
		there[ID(f.Replayer.Report(e))] = true
	}
	candidate := ID(f.Replayer.Report(dataset.Evaluation{}))
	var out []*compare.Report
	for _, r := range all {
		of := *r
		of.Evaluation = dataset.Evaluation{}
		if ID(&of) == candidate && !there[ID(r)] {
			r.Kept, r.Gone = true, true
			out = append(out, r)
		}
	}
	return out, nil
}

// report returns the report of a run on e, which is made if need be.
func (f *Follower) report(ctx context.Context, e dataset.Evaluation, kept map[string]*compare.Report) (*compare.Report, error) {
	id := ID(f.Replayer.Report(e))
	report := kept[id]
	if report == nil || f.Again && !f.made[id] {
		var err error
		if report, err = f.Replayer.Replay(ctx, e); err != nil {
			return nil, err
		}
		if err := f.Runs.Put(ctx, report); err != nil {
			return nil, err
		}
		f.made[id] = true
	}
	report.Kept = !f.made[id]
	if !f.seen[id] && f.Seen != nil {
		f.Seen(report)
	}
	f.seen[id] = true
	return report, nil
}
