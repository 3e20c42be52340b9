package replica

import (
	"context"
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
	// Cache, if not nil, keeps what is read from Store, for a start without it.
	Cache *Cache
	// Origin tells Store from others in the Cache, where anybody can read it: a
	// start needs what was kept under the same one.
	Origin string
	// Declared says what a dataset without a declared schema does not show.
	Declared Declared
	// Poll is the greatest time between two looks at the store without a hint.
	// It is a random part shorter, so that replicas do not look together.
	Poll time.Duration
	// Jitter bounds the time, chosen at random, between a hint and the look
	// that it causes, so that not everybody fetches at once; among more than a
	// few Members in proportion to them, but by half a Poll at most.
	Jitter time.Duration
	// Members, if not nil, returns the number of replicas that hear of the same
	// hints.
	Members func() int
	// StartJitter bounds the time, chosen at random, before the first look.
	StartJitter time.Duration
	// Fetches, if not nil, bounds the blobs that are fetched at a time, together
	// with all other replicas that have it.
	Fetches *Fetches
	// NoFallback makes a refresh fail if a delta is missing or damaged, and try
	// that delta again, rather than go round it by a snapshot.
	NoFallback bool
	// Keep is how many versions stay in memory: the newest, and those asked for.
	Keep int
	// Now returns the time; age is measured on its monotonic clock.
	Now func() time.Time
	// Logger gets what an operator should know.
	Logger *slog.Logger
	// Confirmed, if not nil, is called after a look at the store confirmed a
	// hint's content.
	Confirmed func(announce.Hint)
	// Diverged, if not nil, is called when the store was found to be restored or
	// replaced, before anything is confirmed of the new one.
	Diverged func()
}

// DefaultConfig returns a Config with everything but Dataset and Store.
func DefaultConfig() Config {
	return Config{Poll: time.Second, Jitter: 50 * time.Millisecond, Keep: 4, Now: time.Now, Logger: slog.Default()}
}

// Replica follows one dataset. It is safe for concurrent use.
type Replica struct {
	cfg     Config
	catalog catalog
	log     log
	wake    chan struct{} // a hint came
	look    chan struct{} // somebody wants a look at once

	turn    chan struct{} // one refresh at a time; readers do not take it
	backoff backoff       // has the turn
	loads   *loads        // of versions that At asks for
	live    atomic.Pointer[liveSet]
	status  atomic.Pointer[look]
	detours atomic.Pointer[detours]

	warmed     bool            // the cache was tried; has the turn, as the next six do
	retained   retained        // what the cache is at
	tooLarge   retained        // what it was too small for
	unretained string          // what was said last to be too large; empty since it fit
	retaining  pause           // after a failure to bring it there
	whole      time.Time       // when the log was last found without a gap
	pinned     dataset.Version // that of the pin which was logged last

	mu      sync.Mutex    // guards changes of live, changed and looked; taken last, but by Relieve
	changed chan struct{} // closed and replaced when the current view moves
	looked  chan struct{} // closed and replaced after each look at the store
}

// liveSet is the versions in memory. It is immutable.
type liveSet struct {
	store    int   // how many stores came before that all views are of
	position int64 // in the log, as far as current is known to be effective
	current  *View
	views    []*View // the most recently added last; current is among them
}

// detours counts the broken blobs that were gone round, and keeps the last one.
type detours struct {
	count int64
	last  string
}

// look is the outcome of looking at the store.
type look struct {
	confirmed time.Time // the last time the applied version was the effective one
	fold      announce.Fold
	err       error
	failures  int64 // looks that failed
	diverged  bool
	cold      bool // the view is from the cache, and not found in the log yet
}

// Open returns a Replica that has loaded nothing yet.
func Open(cfg Config) *Replica {
	r := &Replica{
		cfg:     cfg,
		wake:    make(chan struct{}, 1),
		look:    make(chan struct{}, 1),
		turn:    make(chan struct{}, 1),
		loads:   newLoads(),
		changed: make(chan struct{}),
		looked:  make(chan struct{}),

		retained: retained{position: -1},
		tooLarge: retained{position: -1},
	}
	if cfg.Folder != "" {
		x := &foreign{name: cfg.Dataset, path: cfg.Folder, declared: cfg.Declared, fetches: cfg.Fetches}
		r.catalog, r.log = x, x
	} else {
		c := NewCatalog(cfg.useCache(), cfg.Dataset).Declare(cfg.Declared).LogTo(cfg.Logger)
		c.strict, c.detour, c.fetches = cfg.NoFallback, r.detour, cfg.Fetches
		c.log = announce.Open(cfg.Store, cfg.Dataset)
		r.catalog, r.log = c, c.log
	}
	r.detours.Store(&detours{})
	r.live.Store(&liveSet{})
	r.status.Store(&look{})
	return r
}

// log says what was announced. announce.Log is one.
type log interface {
	Refresh(ctx context.Context) (announce.Fold, error)
	Check(ctx context.Context) error
	Whole(ctx context.Context) error
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

// At returns the view of a version: one in memory, else it is loaded, beside
// refreshes, and takes the place of the one that was added first. It fails with
// ErrNoVersion if the log does not name the version, and with ctx's error as
// soon as ctx ends.
func (r *Replica) At(ctx context.Context, v dataset.Version) (*View, error) {
	if view := r.live.Load().find(v); view != nil {
		return view, nil
	}
	return r.loads.do(ctx, v, func(ctx context.Context) (*View, error) { return r.load(ctx, v) })
}

// load loads a version that At asks for.
func (r *Replica) load(ctx context.Context, v dataset.Version) (*View, error) {
	set := r.live.Load()
	if view := set.find(v); view != nil {
		return view, nil
	}
	at, err := r.find(ctx, v)
	if err != nil {
		return nil, err
	}
	view, err := r.catalog.Load(ctx, set.nearest(v), at)
	if err != nil {
		return nil, err
	}
	if !r.keep(set.store, view) {
		return nil, fmt.Errorf("load %s@%s: %w", r.cfg.Dataset, v, announce.ErrDiverged)
	}
	view.settle(ctx)
	return view, nil
}

// find finds an announced version, by what is known of the log if that does.
func (r *Replica) find(ctx context.Context, v dataset.Version) (Point, error) {
	if l := r.status.Load(); v <= l.fold.Head && !l.diverged {
		if at, err := r.catalog.Find(ctx, l.fold, v); err == nil {
			return at, nil
		}
	}
	f, err := r.log.Refresh(ctx)
	if err != nil {
		return Point{}, fmt.Errorf("find %s@%s: %w", r.cfg.Dataset, v, err)
	}
	return r.catalog.Find(ctx, f, v)
}

// Announced looks at the log and returns the version that is effective now,
// applied or not. It fails with ErrEmpty.
func (r *Replica) Announced(ctx context.Context) (Announced, error) {
	f, err := r.log.Refresh(ctx)
	if err != nil {
		return Announced{}, fmt.Errorf("look at the log of %s: %w", r.cfg.Dataset, err)
	}
	v, digest := f.Effective()
	if v == dataset.None {
		return Announced{}, fmt.Errorf("dataset %s: %w", r.cfg.Dataset, ErrEmpty)
	}
	return Announced{v, digest}, nil
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

// keep makes a view reachable beside the current one, unless that is of another
// store by now.
func (r *Replica) keep(store int, view *View) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.live.Load()
	if old.store != store {
		return false
	}
	r.live.Store(old.with(view, old.current, r.cfg.Keep))
	return true
}

// move makes a view the current one, which is effective at a position of the
// log. If the store is another one, all others are of no use.
func (r *Replica) move(view *View, position int64, anew bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.live.Load()
	from := old
	if anew {
		from = &liveSet{store: old.store + 1}
	}
	next := from.with(view, view, r.cfg.Keep)
	next.position = position
	r.live.Store(next)
	if view != old.current {
		close(r.changed)
		r.changed = make(chan struct{})
	}
}

// with returns s with a view more, and at most keep of them.
func (s *liveSet) with(view, current *View, keep int) *liveSet {
	views := slices.Clone(s.views)
	if !slices.Contains(views, view) {
		views = append(views, view)
	}
	for len(views) > max(keep, 2) {
		i := slices.IndexFunc(views, func(v *View) bool { return v != current && v != view })
		views = slices.Delete(views, i, i+1)
	}
	return &liveSet{store: s.store, position: s.position, current: current, views: views}
}

// detour counts a broken blob that is gone round.
func (r *Replica) detour(v dataset.Version, err error) {
	for {
		old := r.detours.Load()
		if r.detours.CompareAndSwap(old, &detours{old.count + 1, fmt.Sprintf("version %s: %v", v, err)}) {
			return
		}
	}
}
