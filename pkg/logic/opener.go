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

// ErrInputChanged says that a version has another content checksum than the
// evaluation recorded.
var ErrInputChanged = errors.New("input differs from the recorded one")

// An Opener opens the sessions of recorded evaluations. It keeps the version of
// each input that was opened last, so that the next one is only some deltas
// away. It is for one goroutine.
type Opener struct {
	store    blob.Store
	catalogs map[dataset.Name]*replica.Catalog
	last     map[dataset.Name]*replica.View
}

// NewOpener returns an Opener of versions in store.
func NewOpener(store blob.Store) *Opener {
	return &Opener{store: store, catalogs: map[dataset.Name]*replica.Catalog{}, last: map[dataset.Name]*replica.View{}}
}

// Session returns the session that e ran on. It fails with ErrInputChanged if
// an input is not what it was.
func (o *Opener) Session(ctx context.Context, e dataset.Evaluation) (*Session, error) {
	var views []*replica.View
	for _, in := range e.Inputs {
		v, err := o.View(ctx, in.Dataset, in.Version)
		if err != nil {
			return nil, fmt.Errorf("open session: %w", err)
		}
		if v.Manifest.Checksum != in.Checksum {
			return nil, fmt.Errorf("open session: %s@%s: %w", in.Dataset, in.Version, ErrInputChanged)
		}
		views = append(views, v)
	}
	return NewSession(views, e.Clock, e.Seed), nil
}

// View returns a version of a dataset.
func (o *Opener) View(ctx context.Context, n dataset.Name, v dataset.Version) (*replica.View, error) {
	if last := o.last[n]; last != nil && last.Version() == v {
		return last, nil
	}
	f, err := announce.Open(o.store, n).Refresh(ctx)
	if err != nil {
		return nil, err
	}
	if o.catalogs[n] == nil {
		o.catalogs[n] = replica.NewCatalog(o.store, n)
	}
	view, err := o.catalogs[n].LoadAt(ctx, f, v, o.last[n])
	if err != nil {
		return nil, err
	}
	o.last[n] = view
	return view, nil
}
