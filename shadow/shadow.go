package shadow

import (
	"context"
	"fmt"

	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// A Replayer runs the candidate on the inputs of an evaluation and compares.
type Replayer interface {
	// Candidate names the build.
	Candidate() string
	Replay(ctx context.Context, e dataset.Evaluation) (*compare.Report, error)
}

// Follow runs the candidate on each evaluation that runs does not have yet, in
// order, keeps the reports and returns those of all evaluations.
func Follow(ctx context.Context, r Replayer, evaluations []dataset.Evaluation, runs *Store) ([]*compare.Report, error) {
	var out []*compare.Report
	for _, e := range evaluations {
		report, err := runs.Get(r.Candidate(), e)
		if err != nil {
			return nil, fmt.Errorf("shadow: %w", err)
		}
		if report == nil {
			if report, err = r.Replay(ctx, e); err != nil {
				return nil, fmt.Errorf("shadow: %w", err)
			}
			if err := runs.Put(report); err != nil {
				return nil, fmt.Errorf("shadow: %w", err)
			}
		}
		out = append(out, report)
	}
	return out, nil
}
