package replay

import (
	"context"
	"fmt"
	"slices"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// guard notices a candidate that writes to PROD's store behind the back of its
// session. PROD itself may go on meanwhile, so it looks for versions by writers
// that a dataset did not have before, and for datasets that were not there.
type guard struct {
	store  blob.Store
	known  []dataset.Name         // in the store, before
	before map[dataset.Name]int64 // positions of the logs
}

func newGuard(ctx context.Context, store blob.Store) (*guard, error) {
	g := &guard{store: store, before: map[dataset.Name]int64{}}
	var err error
	if g.known, err = blob.Datasets(ctx, store); err != nil {
		return nil, fmt.Errorf("watch store: %w", err)
	}
	for _, n := range g.known {
		f, err := announce.Open(store, n).Refresh(ctx)
		if err != nil {
			return nil, fmt.Errorf("watch store: %w", err)
		}
		g.before[n] = f.Position
	}
	return g, nil
}

// intruders says what was written that PROD would not have.
func (g *guard) intruders(ctx context.Context) ([]string, error) {
	var out []string
	now, err := blob.Datasets(ctx, g.store)
	if err != nil {
		return nil, fmt.Errorf("watch store: %w", err)
	}
	for _, n := range now {
		if !slices.Contains(g.known, n) {
			out = append(out, fmt.Sprintf("dataset %s appeared in the store while the candidate ran", n))
		}
	}
	for _, n := range g.known {
		f, err := announce.Open(g.store, n).Refresh(ctx)
		if err != nil {
			return nil, fmt.Errorf("watch store: %w", err)
		}
		if f.Position == g.before[n] {
			continue
		}
		names, err := strangers(ctx, announce.Open(g.store, n), g.before[n])
		if err != nil {
			return nil, fmt.Errorf("watch store: %w", err)
		}
		for _, who := range names {
			out = append(out, fmt.Sprintf("%s, who never did before, wrote to dataset %s while the candidate ran", who, n))
		}
	}
	return out, nil
}

// strangers returns the authors of content after a position who wrote nothing
// until then.
func strangers(ctx context.Context, log *announce.Log, since int64) ([]string, error) {
	var before, after []string
	for e, err := range log.Entries(ctx) {
		switch {
		case err != nil:
			return nil, err
		case e.Kind == announce.KindPin || e.Kind == announce.KindPrune:
		case e.Position() <= since:
			before = append(before, e.Author.Name)
		case !slices.Contains(before, e.Author.Name) && !slices.Contains(after, e.Author.Name):
			after = append(after, e.Author.Name)
		}
	}
	return after, nil
}
