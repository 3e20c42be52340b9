package replica

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// Config says what a Replica follows.
type Config struct {
	// Dataset is what is followed, in Store.
	Dataset dataset.Name
	Store   blob.Store
	// Folder, if not empty, is followed instead of Store: a Java producer
	// writes its blobs and announced.version there.
	Folder string
	// Declared says what a dataset without a declared schema does not show.
	Declared Declared
	// Poll is the time between two looks at the store without a hint.
	Poll time.Duration
	// Keep is how many versions stay in memory: the newest, and those asked for.
	Keep int
	// Now returns the time; age is measured on its monotonic clock.
	Now func() time.Time
	// Logger gets what an operator should know.
	Logger *slog.Logger
	// Confirmed, if not nil, is called after a look at the store confirmed a
	// hint's content.
	Confirmed func(announce.Hint)
}

// DefaultConfig returns a Config with everything but Dataset and Store.
func DefaultConfig() Config {
	return Config{Poll: time.Second, Keep: 4, Now: time.Now, Logger: slog.Default()}
}

// Replica follows one dataset. It is safe for concurrent use.
type Replica struct {
	cfg     Config
	catalog catalog
	log     log
	wake    chan struct{}

	refresh sync.Mutex // one refresh at a time; readers do not take it
	live    atomic.Pointer[liveSet]
	status  atomic.Pointer[look]
	changed chan struct{} // closed and replaced when the current view moves
	looked  chan struct{} // closed and replaced after each look at the store
	mu      sync.Mutex    // guards changed and looked
}

// liveSet is the versions in memory. It is immutable.
type liveSet struct {
	current *View
	views   []*View // the most recently added last; current is among them
}

// look is the outcome of looking at the store.
type look struct {
	confirmed time.Time // the last time the applied version was the effective one
	fold      announce.Fold
	err       error
	diverged  bool
}

// Open returns a Replica that has loaded nothing yet.
func Open(cfg Config) *Replica {
	r := &Replica{
		cfg:     cfg,
		wake:    make(chan struct{}, 1),
		changed: make(chan struct{}),
		looked:  make(chan struct{}),
	}
	if cfg.Folder != "" {
		x := &foreign{cfg.Dataset, cfg.Folder, cfg.Declared}
		r.catalog, r.log = x, x
	} else {
		r.catalog, r.log = NewCatalog(cfg.Store, cfg.Dataset).Declare(cfg.Declared).LogTo(cfg.Logger), announce.Open(cfg.Store, cfg.Dataset)
	}
	r.live.Store(&liveSet{})
	r.status.Store(&look{})
	return r
}

// log says what was announced. announce.Log is one.
type log interface {
	Refresh(ctx context.Context) (announce.Fold, error)
	Check(ctx context.Context) error
	Reset()
}

// catalog loads what was announced. Catalog is one.
type catalog interface {
	Manifest(ctx context.Context, v dataset.Version, digest dataset.Digest) (*blob.Manifest, error)
	Find(ctx context.Context, f announce.Fold, v dataset.Version) (Point, error)
	History(ctx context.Context, f announce.Fold) ([]Point, error)
	Load(ctx context.Context, current *View, at Point) (*View, error)
}

// Name returns the dataset's name.
func (r *Replica) Name() dataset.Name { return r.cfg.Dataset }

// Current returns the view at the effective version as far as it is known, or
// nil before the first one.
func (r *Replica) Current() *View { return r.live.Load().current }

// Live returns the versions in memory, ascending.
func (r *Replica) Live() []dataset.Version {
	var out []dataset.Version
	for _, v := range r.live.Load().views {
		out = append(out, v.Version())
	}
	slices.Sort(out)
	return out
}

// Changed returns a channel that is closed when the current view moves on.
func (r *Replica) Changed() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.changed
}

// Looked returns a channel that is closed when the next look at the store has
// ended, well or not.
func (r *Replica) Looked() <-chan struct{} {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.looked
}

// At returns the view of a version: one in memory, else it is loaded and takes
// the place of the one that was added first. It fails with ErrNoVersion if the
// log does not name the version, ErrPruned if its blobs were deleted.
func (r *Replica) At(ctx context.Context, v dataset.Version) (*View, error) {
	if view := r.live.Load().find(v); view != nil {
		return view, nil
	}
	r.refresh.Lock()
	defer r.refresh.Unlock()
	set := r.live.Load()
	if view := set.find(v); view != nil {
		return view, nil
	}
	f, err := r.log.Refresh(ctx)
	if err != nil {
		return nil, fmt.Errorf("find %s@%s: %w", r.cfg.Dataset, v, err)
	}
	at, err := r.catalog.Find(ctx, f, v)
	if err != nil {
		return nil, err
	}
	view, err := r.catalog.Load(ctx, set.nearest(v), at)
	if err != nil {
		return nil, pruned(f, v, err)
	}
	r.add(set, view, set.current)
	return view, nil
}

// History returns every announced version, oldest first, as the log says now.
func (r *Replica) History(ctx context.Context) ([]Point, error) {
	f, err := r.log.Refresh(ctx)
	if err != nil {
		return nil, err
	}
	return r.catalog.History(ctx, f)
}

func (s *liveSet) find(v dataset.Version) *View {
	for _, view := range s.views {
		if view.Version() == v {
			return view
		}
	}
	return nil
}

// nearest returns the view to start from, nil if there is none.
func (s *liveSet) nearest(v dataset.Version) *View {
	best := s.current
	for _, view := range s.views {
		if best == nil || distance(view.Version(), v) < distance(best.Version(), v) {
			best = view
		}
	}
	return best
}

func distance(a, b dataset.Version) dataset.Version { return max(a-b, b-a) }

// add makes a view reachable beside those of old, with current as the current
// one. The refresh mutex is held.
func (r *Replica) add(old *liveSet, view, current *View) {
	views := slices.Clone(old.views)
	if !slices.Contains(views, view) {
		views = append(views, view)
	}
	for len(views) > max(r.cfg.Keep, 2) {
		i := slices.IndexFunc(views, func(v *View) bool { return v != current && v != view })
		views = slices.Delete(views, i, i+1)
	}
	before := r.live.Swap(&liveSet{current: current, views: views})
	if current != before.current {
		r.mu.Lock()
		close(r.changed)
		r.changed = make(chan struct{})
		r.mu.Unlock()
	}
}

// Refresh looks at the log once and moves to the effective version. An error
// leaves the current view as it is.
func (r *Replica) Refresh(ctx context.Context) error {
	r.refresh.Lock()
	defer r.refresh.Unlock()
	next := *r.status.Load()
	next.err = r.move(ctx, &next)
	r.status.Store(&next)
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.looked)
	r.looked = make(chan struct{})
	return next.err
}

func (r *Replica) move(ctx context.Context, l *look) error {
	start := r.cfg.Now()
	f, err := r.log.Refresh(ctx)
	if errors.Is(err, announce.ErrDiverged) {
		l.diverged = true
		r.cfg.Logger.Error("the store was restored or replaced: loading everything again", "dataset", r.cfg.Dataset, "error", err)
		r.log.Reset()
		f, err = r.log.Refresh(ctx)
	}
	if err != nil {
		return fmt.Errorf("refresh %s: %w", r.cfg.Dataset, err)
	}
	l.fold = f
	v, digest := f.Effective()
	if v == dataset.None {
		return fmt.Errorf("refresh: dataset %s: %w", r.cfg.Dataset, ErrEmpty)
	}
	set := r.live.Load()
	if set.current == nil || set.current.ManifestDigest != digest || l.diverged {
		view, err := r.effective(ctx, set, Point{Digest: digest}, v, l.diverged)
		if err != nil {
			return fmt.Errorf("refresh: %w", err)
		}
		if l.diverged {
			set = &liveSet{} // what is there is of another store
		}
		r.add(set, view, view)
	}
	l.diverged = false
	l.confirmed = start
	if r.cfg.Confirmed != nil {
		r.cfg.Confirmed(announce.Hint{Dataset: r.cfg.Dataset, Position: f.Position, Version: v})
	}
	return nil
}

func (r *Replica) effective(ctx context.Context, set *liveSet, at Point, v dataset.Version, anew bool) (*View, error) {
	if view := set.find(v); view != nil && view.ManifestDigest == at.Digest && !anew {
		return view, nil
	}
	var err error
	if at.Manifest, err = r.catalog.Manifest(ctx, v, at.Digest); err != nil {
		return nil, err
	}
	from := set.nearest(v)
	if anew {
		from = nil
	}
	return r.catalog.Load(ctx, from, at)
}
