package replay

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-data/holdfast/pkg/compare"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/logic"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// ErrNoEvaluation says that no logic is recorded to have made what is asked
// for.
var ErrNoEvaluation = errors.New("no evaluation is recorded")

// Select returns the last n of a dataset's history up to the first run that made
// version v; None stands for the newest one that was not pruned. Versions that
// are gone count, because a logic may have made them. There are fewer than n
// only if no more were ever made.
func Select(all []logic.Past, v dataset.Version, n int) ([]logic.Past, error) {
	end := -1
	for i, past := range all {
		switch {
		case v == dataset.None && !errors.Is(past.Lost, replica.ErrPruned):
			end = i
		case v != dataset.None && past.Output == v && end < 0:
			end = i
		}
	}
	switch {
	case end < 0 && v == dataset.None:
		return nil, ErrNoEvaluation
	case end < 0:
		return nil, fmt.Errorf("version %s: %w", v, ErrNoEvaluation)
	}
	return all[max(0, end+1-n) : end+1], nil
}

// ReplayPast does what Replay does, of what logic.History has. Of a version that
// is gone the verdict is inconclusive.
func (c *Commands) ReplayPast(ctx context.Context, past logic.Past) (*compare.Report, error) {
	if past.Lost == nil {
		return c.Replay(ctx, past.Evaluation)
	}
	report := c.Report(past.Evaluation)
	report.Reasons = []string{
		fmt.Sprintf("a version is missing, and what made it is not known any more: %s@%s: %v", c.cfg.Output, past.Output, past.Lost),
	}
	return report, nil
}
