package shadow

import (
	"context"
	"fmt"

	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// A Replayer runs the candidate on the inputs of an evaluation and compares.
type Replayer interface {
	// Candidate and Control name the builds, Rules are what is judged by.
	Candidate() string
	Control() string
	Rules() compare.Rules
	Replay(ctx context.Context, e dataset.Evaluation) (*compare.Report, error)
}

// Follow runs the candidate on each evaluation that runs does not have yet, in
// order, keeps each report and returns those of all evaluations. seen, if it is
// not nil, gets each new one.
func Follow(ctx context.Context, r Replayer, evaluations []dataset.Evaluation, runs *Store, seen func(*compare.Report)) ([]*compare.Report, error) {
	all, err := runs.All(ctx)
	if err != nil {
		return nil, fmt.Errorf("shadow: %w", err)
	}
	kept := map[string]*compare.Report{}
	for _, report := range all {
		kept[ID(report)] = report
	}
	var out []*compare.Report
	for _, e := range evaluations {
		report := kept[ID(&compare.Report{Candidate: r.Candidate(), Control: r.Control(), Rules: r.Rules(), Evaluation: e})]
		if report == nil {
			if report, err = r.Replay(ctx, e); err != nil {
				return nil, fmt.Errorf("shadow: %w", err)
			}
			if err := runs.Put(ctx, report); err != nil {
				return nil, fmt.Errorf("shadow: %w", err)
			}
			if seen != nil {
				seen(report)
			}
		}
		out = append(out, report)
	}
	return out, nil
}
