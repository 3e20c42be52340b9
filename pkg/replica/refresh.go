package replica

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// Refresh looks at the log once and moves to the effective version. An error
// leaves the current view as it is. A large version that was read from a snapshot can be
// asked some time before Refresh returns, see state.State.Settle.
func (r *Replica) Refresh(ctx context.Context) error { return r.refresh(ctx, false) }

// refresh is Refresh; patient leaves a version alone that failed a short while
// ago.
func (r *Replica) refresh(ctx context.Context, patient bool) error {
	if err := r.begin(ctx); err != nil {
		return err
	}
	defer r.end()
	next := *r.status.Load()
	next.err = r.follow(ctx, &next, patient)
	if next.err != nil && !errors.Is(next.err, ErrEmpty) {
		next.failures++
	}
	if next.err != nil {
		r.startCold(ctx, &next)
	}
	if next.err != nil && next.cold && !errors.Is(next.err, errCold) {
		next.err = fmt.Errorf("%w: %w", errCold, next.err)
	}
	if next.err == nil {
		defer r.retain(ctx, next.fold)
	}
	defer func() { r.Current().settle(ctx) }() // once it can be asked
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status.Store(&next)
	r.place(&next)
	close(r.looked)
	r.looked = make(chan struct{})
	return next.err
}

// begin takes the turn to refresh, until end.
func (r *Replica) begin(ctx context.Context) error {
	select {
	case r.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (r *Replica) end() { <-r.turn }

// follow looks at the log and moves to what it says.
func (r *Replica) follow(ctx context.Context, l *look, patient bool) error {
	start := r.cfg.Now()
	f, err := r.read(ctx, l)
	if err != nil {
		return fmt.Errorf("refresh %s: %w", r.cfg.Dataset, err)
	}
	if err := r.confirmCold(ctx, l, f); err != nil {
		return fmt.Errorf("refresh %s: %w", r.cfg.Dataset, err)
	}
	l.fold = f
	v, digest := f.Effective()
	if v == dataset.None {
		return fmt.Errorf("refresh: dataset %s: %w", r.cfg.Dataset, ErrEmpty)
	}
	set := r.live.Load()
	for set.current == nil || set.current.ManifestDigest != digest || l.diverged {
		err := r.approach(ctx, l, set, Point{Digest: digest}, v, start, patient)
		if err == nil {
			break
		}
		if !r.overtaken(ctx, l, err) {
			return fmt.Errorf("refresh: %w", err)
		}
		v, digest = l.fold.Effective()
	}
	l.diverged = false
	l.confirmed = start
	r.tellPin(l.fold)
	if r.cfg.Confirmed != nil {
		r.cfg.Confirmed(announce.Hint{Dataset: r.cfg.Dataset, Position: l.fold.Position, Version: v})
	}
	return nil
}

// tellPin logs that consumers are held at a version now, or no longer, which is an
// operator's doing and seldom.
func (r *Replica) tellPin(f announce.Fold) {
	pin := dataset.None
	if f.Pin != nil {
		pin = f.Pin.Version
	}
	if pin == r.pinned {
		return
	}
	v, _ := f.Effective()
	if r.pinned = pin; pin != dataset.None {
		r.cfg.Logger.Info("held at a version by a pin", "dataset", r.cfg.Dataset, "version", v, "newest", f.Head)
	} else {
		r.cfg.Logger.Info("no longer held by a pin", "dataset", r.cfg.Dataset, "version", v)
	}
}

// tellSchema logs that a version with another declared schema comes, and if those who
// read with the one before misread it.
func (r *Replica) tellSchema(before, now *View) {
	if before == nil || before.Derived || now.Derived || before.Manifest.Schema == now.Manifest.Schema {
		return
	}
	if why := protomap.Breaking(before.Mapping, now.Mapping); len(why) > 0 {
		r.cfg.Logger.Warn("the schema is another one: who reads with the one before misreads records, without an error",
			"dataset", r.cfg.Dataset, "version", now.Version(), "breaks", why)
		return
	}
	r.cfg.Logger.Info("the schema has more than before", "dataset", r.cfg.Dataset, "version", now.Version())
}

// overtaken says whether the version that could not be loaded because of err is
// no longer the effective one: it was pruned, as a newer one is there. l then
// has what the log says now.
func (r *Replica) overtaken(ctx context.Context, l *look, err error) bool {
	if !errors.Is(err, ErrPruned) && !errors.Is(err, blob.ErrNotFound) {
		return false
	}
	f, logErr := r.log.Refresh(ctx)
	if logErr != nil {
		return false
	}
	was, _ := l.fold.Effective()
	now, _ := f.Effective()
	if now <= was || was >= f.Horizon {
		return false
	}
	l.fold = f
	return true
}

// read reads on in the log, and makes sure that it is the one that was read
// before: a store that was replaced may have nothing behind that position.
func (r *Replica) read(ctx context.Context, l *look) (announce.Fold, error) {
	lookCtx, cancel := r.firstLook(ctx)
	defer cancel()
	f, err := r.log.Refresh(lookCtx)
	if err == nil && f.Position == l.fold.Position {
		err = r.log.Check(lookCtx)
	}
	if errors.Is(err, announce.ErrDiverged) {
		r.diverged(l, err)
		f, err = r.log.Refresh(ctx)
	}
	now := r.cfg.Now()
	if err != nil || !r.whole.IsZero() && now.Sub(r.whole) < wholeInterval {
		return f, err
	}
	if !r.whole.IsZero() { // else the log has looked by itself
		err = r.log.Whole(lookCtx)
	}
	if err == nil {
		r.whole = now // else it is looked for again at the next poll
	}
	return f, err
}

// diverged makes everybody see at once that the store is another one; what it
// has is loaded anew.
func (r *Replica) diverged(l *look, err error) {
	l.diverged, l.err = true, err
	seen := *l
	r.status.Store(&seen)
	r.cfg.Logger.Error("the store was restored or replaced: loading everything again", "dataset", r.cfg.Dataset, "error", err)
	r.log.Reset()
	if r.cfg.Diverged != nil {
		r.cfg.Diverged()
	}
}

// approach moves to the version that l has found in a look that began at start, unless
// it failed a short while ago.
func (r *Replica) approach(ctx context.Context, l *look, set *liveSet, at Point, v dataset.Version, start time.Time, patient bool) error {
	if err := r.backoff.wait(at.Digest, r.cfg.Now()); err != nil && patient {
		return err
	}
	started := r.cfg.Now()
	view, err := r.effective(ctx, set, at, v, l.diverged)
	if err != nil {
		if ctx.Err() == nil {
			r.backoff.failed(at.Digest, err, r.cfg.Now(), r.cfg.Poll)
		}
		return err
	}
	r.backoff = backoff{}
	r.tellSchema(set.current, view)
	if set.current == nil { // who sees the first view sees that it is confirmed
		seen := *l
		seen.confirmed, seen.err = start, nil
		r.status.Store(&seen)
	}
	r.move(view, l.fold.Position, l.diverged)
	r.cfg.Logger.Debug("a version is applied", "dataset", r.cfg.Dataset, "version", v,
		"records", view.Root().Len(), "took", r.cfg.Now().Sub(started).Round(time.Millisecond))
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
