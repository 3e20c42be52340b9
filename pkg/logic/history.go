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
	h, err := newHistory(ctx, store, output, f)
	if err != nil {
		return nil, fmt.Errorf("list evaluations of %s: %w", output, err)
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
			past, ok, err := h.made(ctx, body)
			if err != nil {
				return nil, fmt.Errorf("list evaluations of %s: %w", output, err)
			}
			if ok {
				out = append(out, past)
			}
		}
	}
	return out, nil
}

// history is what a store has of an output.
type history struct {
	catalog *replica.Catalog
	fold    announce.Fold
	chain   map[dataset.Version]announce.Link // what can be read
	left    map[string]bool                   // keys of manifests; some stay when blobs are pruned
}

func newHistory(ctx context.Context, store blob.Store, output dataset.Name, f announce.Fold) (*history, error) {
	h := &history{catalog: replica.NewCatalog(store, output), fold: f, chain: map[dataset.Version]announce.Link{}, left: map[string]bool{}}
	links, err := h.catalog.Chain(ctx, f)
	if err != nil {
		return nil, err
	}
	for _, at := range links {
		h.chain[at.Version] = at
	}
	if f.Horizon == dataset.None {
		return h, nil
	}
	// One listing instead of a look for each version that was pruned.
	keys, err := store.List(ctx, string(output)+"/versions/")
	if err != nil {
		return nil, err
	}
	for _, k := range keys {
		h.left[k.Key] = true
	}
	return h, nil
}

// made returns what is known of the run that made an announced version; ok is
// false if no logic did, or if it came after the fold.
func (h *history) made(ctx context.Context, a announce.Announcement) (past Past, ok bool, err error) {
	if a.Version > h.fold.Head {
		return past, false, nil
	}
	past.Output = a.Version
	at, there := h.chain[a.Version]
	m := at.Manifest
	if !there && h.left[blob.ManifestKey(h.catalog.Name(), a.Version, a.Manifest)] {
		m, err = h.catalog.Manifest(ctx, a.Version, a.Manifest)
		if announce.IsLost(err) {
			err = nil // pruned meanwhile, or damaged, which does not matter any more
		}
		if err != nil {
			return past, false, err
		}
	}
	switch {
	case m != nil && m.Lineage.Evaluation == nil:
		return past, false, nil
	case m != nil:
		past.Evaluation = *m.Lineage.Evaluation
		past.Output = a.Version // which a manifest's own evaluation does not name
	case there:
		past.Lost = at.Lost
	case a.Version < h.fold.Horizon:
		past.Lost = fmt.Errorf("%w: the horizon is %s", replica.ErrPruned, h.fold.Horizon)
	default:
		past.Lost = replica.ErrNoVersion
	}
	return past, true, nil
}

// Evaluations returns what History does without the versions that were pruned.
// It fails if a version is lost otherwise.
func Evaluations(ctx context.Context, store blob.Store, output dataset.Name) ([]dataset.Evaluation, error) {
	out, _, err := EvaluationsAndPruned(ctx, store, output)
	return out, err
}

// EvaluationsAndPruned returns what Evaluations does, and the versions that were
// pruned, of which it is not known any more what made them.
func EvaluationsAndPruned(ctx context.Context, store blob.Store, output dataset.Name) (out []dataset.Evaluation, pruned []dataset.Version, err error) {
	all, err := History(ctx, store, output)
	if err != nil {
		return nil, nil, err
	}
	for _, past := range all {
		switch {
		case past.Lost == nil:
			out = append(out, past.Evaluation)
		case errors.Is(past.Lost, replica.ErrPruned):
			pruned = append(pruned, past.Output)
		default:
			return nil, nil, fmt.Errorf("list evaluations of %s: version %s: %w", output, past.Output, past.Lost)
		}
	}
	return out, pruned, nil
}
