package replica

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// coldPatience is how long a store may keep a start waiting that could be made
// from the cache.
const coldPatience = 2 * time.Second

// errCold is the state of a replica that was started from its cache and has
// not found its store yet.
var errCold = errors.New("started from the cache")

// errNoLog is why such a replica has not found it, if the store is there. What
// is at a mount point while nothing is mounted is like that.
var errNoLog = errors.New("the store has no log of the dataset, as if nothing was mounted there")

// useCache returns the store whose files are kept in the cache, if there is one.
func (cfg *Config) useCache() blob.Store {
	if cfg.Cache == nil {
		return cfg.Store
	}
	return cachedStore{cfg.Store, cfg.Cache, func(err error) {
		cfg.Logger.Warn("a blob was not cached", "dataset", cfg.Dataset, "error", err)
	}}
}

// firstLook bounds the time of a look that a start from the cache can replace.
func (r *Replica) firstLook(ctx context.Context) (context.Context, context.CancelFunc) {
	if r.cfg.Cache == nil || r.warmed || r.Current() != nil {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, coldPatience)
}

// startCold moves to the version that the cache has, once, if the store did not
// answer, or has no log, and nothing is loaded. A log that is there and announces
// nothing is believed: somebody began anew. The turn to refresh is held.
func (r *Replica) startCold(ctx context.Context, l *look) {
	if r.cfg.Cache == nil || r.cfg.Folder != "" || r.warmed || r.Current() != nil || ctx.Err() != nil {
		return
	}
	empty := errors.Is(l.err, ErrEmpty)
	if empty && l.fold.Position >= 0 {
		return
	}
	r.warmed = true
	f, err := r.cfg.Cache.recall(r.cfg.Dataset, r.cfg.Origin)
	if empty && errors.Is(err, fs.ErrNotExist) {
		return // a new dataset
	}
	var view *View
	if err == nil {
		view, err = r.loadCold(ctx, f)
	}
	if err != nil {
		r.cfg.Logger.Warn("the cache cannot replace the store", "dataset", r.cfg.Dataset, "error", err)
		return
	}
	if empty {
		l.err = fmt.Errorf("refresh %s: %w", r.cfg.Dataset, errNoLog)
	}
	l.fold, l.cold = f, true
	l.err = fmt.Errorf("%w: %w", errCold, l.err)
	r.status.Store(l)
	r.move(view, f.Position, false)
	r.cfg.Logger.Warn("started from the cache", "dataset", r.cfg.Dataset, "version", view.Version(), "error", l.err)
}

func (r *Replica) loadCold(ctx context.Context, f announce.Fold) (*View, error) {
	v, digest := f.Effective()
	if v == dataset.None {
		return nil, ErrEmpty
	}
	c := NewCatalog(cachedStore{cache: r.cfg.Cache}, r.cfg.Dataset).Declare(r.cfg.Declared)
	c.fetches, c.log = r.cfg.Fetches, nil // it has no log
	m, err := c.Manifest(ctx, v, digest)
	if err != nil {
		return nil, err
	}
	return c.Load(ctx, nil, Point{m, digest})
}

// confirmCold makes sure, once the store answers and has the log f, that this has
// said what the cache remembers; else everything is loaded anew. No log at all
// contradicts nothing: the store is as good as out of reach.
func (r *Replica) confirmCold(ctx context.Context, l *look, f announce.Fold) error {
	if !l.cold {
		return nil
	}
	if f.Position < 0 {
		return errNoLog
	}
	data, err := r.cfg.Store.Get(ctx, blob.LogKey(r.cfg.Dataset, l.fold.Position))
	if err != nil && !errors.Is(err, blob.ErrNotFound) {
		return err
	}
	var said announce.Fold
	if e, err := announce.DecodeEntry(data); err == nil {
		said, _ = e.Fold.Apply(e)
	}
	if l.cold = false; !reflect.DeepEqual(said, l.fold) {
		l.diverged = true
		r.cfg.Logger.Warn("the log never said what the cache remembers: loading anew", "dataset", r.cfg.Dataset, "position", l.fold.Position)
	}
	return nil
}

// retained says what the cache was last brought to.
type retained struct {
	position int64 // in the log; -1 if nothing was
	made     int   // how often its folder had been made again
}

// retain brings what a start without the store needs into the cache, and
// remembers f, which has led to the current view. What does not fit is tried
// again when the log says something new, what fails after a pause.
func (r *Replica) retain(ctx context.Context, f announce.Fold) {
	c, ok := r.catalog.(*Catalog)
	if r.cfg.Cache == nil || !ok || !r.retaining.over(r.cfg.Now()) {
		return
	}
	made, err := r.cfg.Cache.ready(r.cfg.Dataset)
	now := retained{f.Position, made}
	if err == nil && (now == r.retained || now == r.tooLarge) {
		return
	}
	if err == nil {
		err = r.cfg.Cache.retain(ctx, c, f, r.cfg.Origin)
	}
	switch {
	case err == nil:
		r.retained, r.retaining, r.unretained = now, pause{}, ""
		r.cfg.Cache.works(r.cfg.Dataset)
	case errors.Is(err, ErrCacheTooSmall):
		r.tooLarge = now
		if why := err.Error(); why != r.unretained {
			r.unretained = why
			r.notRetained(err)
		}
	case errors.Is(err, errPaused), ctx.Err() != nil: // whoever failed to write has said so
	default:
		r.retaining.failed(r.cfg.Now(), r.cfg.Poll)
		r.notRetained(err)
	}
}

func (r *Replica) notRetained(err error) {
	r.cfg.Logger.Warn("the cache could not replace the store now", "dataset", r.cfg.Dataset, "error", err)
}
