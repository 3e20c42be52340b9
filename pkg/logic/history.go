package logic

import (
	"context"
	"errors"
	"fmt"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// A Past is a recorded run of a logic, or a version of which it is not known any
// more what made it.
type Past struct {
	dataset.Evaluation
	// Lost says why only the Output is known: the version was pruned, which is
	// replica.ErrPruned, or its manifest is lost or damaged. It is nil if all is
	// known.
	Lost error
}

// History returns every recorded run that an output dataset shows, oldest first:
// those that made a version, and those that changed nothing. Among them are the
// versions that were announced and are gone, which a logic may have made. It
// does not fail because of what is gone.
func History(ctx context.Context, store blob.Store, output dataset.Name) ([]Past, error) {
	log := announce.Open(store, output)
	f, err := log.Refresh(ctx)
	if err != nil {
		return nil, fmt.Errorf("list evaluations of %s: %w", output, err)
	}
	links, err := replica.NewCatalog(store, output).Chain(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("list evaluations of %s: %w", output, err)
	}
	byVersion := map[dataset.Version]announce.Link{}
	for _, at := range links {
		byVersion[at.Version] = at
	}
	var out []Past
	for e, err := range log.Entries(ctx) {
		if err != nil {
			return nil, fmt.Errorf("list evaluations of %s: %w", output, err)
		}
		if _, valid := e.Fold.Apply(e); !valid {
			continue
		}
		switch body := e.Body.(type) {
		case announce.Evaluated:
			out = append(out, Past{Evaluation: body.Evaluation})
		case announce.Announcement:
			if past, ok := made(body.Version, byVersion, f); ok {
				out = append(out, past)
			}
		}
	}
	return out, nil
}

// made returns what is known of the run that made an announced version; ok is
// false if no logic did, or if it came after f.
func made(v dataset.Version, known map[dataset.Version]announce.Link, f announce.Fold) (past Past, ok bool) {
	past.Output = v
	at, there := known[v]
	switch {
	case v > f.Head:
		return past, false
	case !there && v < f.Horizon:
		past.Lost = fmt.Errorf("%w: the horizon is %s", replica.ErrPruned, f.Horizon)
	case !there:
		past.Lost = replica.ErrNoVersion
	case at.Lost != nil:
		past.Lost = at.Lost
	case at.Manifest.Lineage.Evaluation == nil:
		return past, false
	default:
		past.Evaluation = *at.Manifest.Lineage.Evaluation
		past.Output = v // which a manifest's own evaluation does not name
	}
	return past, true
}

// Evaluations returns what History does without the versions that were pruned.
// It fails if a version is lost otherwise.
func Evaluations(ctx context.Context, store blob.Store, output dataset.Name) ([]dataset.Evaluation, error) {
	all, err := History(ctx, store, output)
	if err != nil {
		return nil, err
	}
	var out []dataset.Evaluation
	for _, past := range all {
		switch {
		case past.Lost == nil:
			out = append(out, past.Evaluation)
		case !errors.Is(past.Lost, replica.ErrPruned):
			return nil, fmt.Errorf("list evaluations of %s: version %s: %w", output, past.Output, past.Lost)
		}
	}
	return out, nil
}
