package logic

import (
	"context"
	"fmt"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// Evaluations returns every recorded run that an output dataset shows, oldest
// first: those that made a version, and those that changed nothing.
func Evaluations(ctx context.Context, store blob.Store, output dataset.Name) ([]dataset.Evaluation, error) {
	log := announce.Open(store, output)
	f, err := log.Refresh(ctx)
	if err != nil {
		return nil, fmt.Errorf("list evaluations of %s: %w", output, err)
	}
	points, err := replica.NewCatalog(store, output).History(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("list evaluations of %s: %w", output, err)
	}
	byVersion := map[dataset.Version]*blob.Manifest{}
	for _, p := range points {
		byVersion[p.Manifest.Version] = p.Manifest
	}
	var out []dataset.Evaluation
	for e, err := range log.Entries(ctx) {
		if err != nil {
			return nil, fmt.Errorf("list evaluations of %s: %w", output, err)
		}
		if _, valid := e.Fold.Apply(e); !valid {
			continue
		}
		switch body := e.Body.(type) {
		case announce.Evaluated:
			out = append(out, body.Evaluation)
		case announce.Announcement:
			m := byVersion[body.Version]
			if m == nil || m.Lineage.Evaluation == nil {
				continue // not made by a logic
			}
			done := *m.Lineage.Evaluation
			done.Output = m.Version
			out = append(out, done)
		}
	}
	return out, nil
}
