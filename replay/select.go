package replay

import (
	"errors"
	"fmt"

	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// ErrNoEvaluation says that no logic is recorded to have made what is asked
// for.
var ErrNoEvaluation = errors.New("no evaluation is recorded")

// Select returns the last n of a dataset's evaluations up to the first one that
// made version v; None stands for the newest of all. There may be fewer than n.
func Select(all []dataset.Evaluation, v dataset.Version, n int) ([]dataset.Evaluation, error) {
	if v != dataset.None {
		end := -1
		for i, e := range all {
			if e.Output == v {
				end = i
				break
			}
		}
		if end < 0 {
			return nil, fmt.Errorf("version %s: %w", v, ErrNoEvaluation)
		}
		all = all[:end+1]
	}
	if len(all) == 0 {
		return nil, ErrNoEvaluation
	}
	return all[max(0, len(all)-n):], nil
}
