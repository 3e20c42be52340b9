package replica

import (
	"context"
	"errors"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// Look makes Run look at the store as soon as it may. It never blocks.
func (r *Replica) Look() {
	select {
	case r.look <- struct{}{}:
	default: // a look is due anyway
	}
}

// Hint makes Run look at the store soon, if h is news. It never blocks.
func (r *Replica) Hint(h announce.Hint) {
	if h.Dataset != r.cfg.Dataset || h.Position <= r.status.Load().fold.Position && r.Current() != nil {
		return
	}
	select {
	case r.wake <- struct{}{}:
	default: // a look is due anyway
	}
}

// Run refreshes until ctx ends: at once, or after a random part of StartJitter;
// then at every poll, and after hints. It returns ctx's error.
func (r *Replica) Run(ctx context.Context) error {
	if !sleep(ctx, r.cfg.startPause()) {
		return ctx.Err()
	}
	poll := time.NewTimer(r.cfg.pollPause(true))
	defer poll.Stop()
	failed := false
	for {
		started := r.cfg.Now()
		failed = r.report(ctx, r.refresh(ctx, true), failed)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-poll.C:
			poll.Reset(r.cfg.pollPause(false))
		case <-r.look:
			if !sleep(ctx, hintInterval-r.cfg.Now().Sub(started)) {
				return ctx.Err()
			}
		case <-r.wake:
			if !sleep(ctx, max(hintInterval-r.cfg.Now().Sub(started), r.cfg.hintPause())) {
				return ctx.Err()
			}
		}
	}
}

// report logs the first of several failures in a row, and the recovery.
func (r *Replica) report(ctx context.Context, err error, failed bool) bool {
	switch {
	case err == nil && failed:
		r.cfg.Logger.Info("refresh works again", "dataset", r.cfg.Dataset)
	case err != nil && !failed && ctx.Err() == nil && !errors.Is(err, ErrEmpty):
		r.cfg.Logger.Warn("refresh failed: it is tried again", "dataset", r.cfg.Dataset, "error", err)
	}
	return err != nil && !errors.Is(err, ErrEmpty)
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(max(d, 0))
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// The states that Status names.
const (
	StateLoading  = "loading"  // nothing can be asked yet
	StateReady    = "ready"    // at the effective version
	StateStale    = "stale"    // the last look at the store failed
	StateDiverged = "diverged" // the store was restored or replaced
)

// Status says how fresh a replica is.
type Status struct {
	Dataset dataset.Name `json:"dataset"`
	// Version is the current one, Announced the head of the log, Pinned what
	// consumers are held at.
	Version   dataset.Version `json:"version"`
	Created   time.Time       `json:"created,omitzero"` // when Version was made
	Announced dataset.Version `json:"announced"`
	Pinned    dataset.Version `json:"pinned,omitzero"`
	// Position is the log position that was last looked at.
	Position int64 `json:"position"`
	// Age is the time since a look at the store last found the current version
	// to be the effective one; negative if none ever did.
	Age time.Duration `json:"-"`
	// State is one of the State constants.
	State string `json:"state"`
	// Error is why the last look failed.
	Error string `json:"error,omitempty"`
	// Failures counts the looks that failed, since the start.
	Failures int64 `json:"failures,omitempty"`
	// Detours counts the missing or damaged blobs that were gone round by
	// others, since the start; Detour is the last one.
	Detours int64  `json:"detours,omitempty"`
	Detour  string `json:"detour,omitempty"`
	// Records is the number of records of the root type.
	Records int `json:"records"`
	// Live are the versions in memory, ascending.
	Live []dataset.Version `json:"live"`
}

// seen returns what the last look found, and the current view. What confirms the first
// view is there before it, so it is looked for again if the view came in between.
func (r *Replica) seen() (*look, *View) {
	l, view := r.status.Load(), r.Current()
	if view != nil && l.confirmed.IsZero() && l.err == nil {
		l = r.status.Load()
	}
	return l, view
}

// Status returns the state of things now.
func (r *Replica) Status() Status {
	l, view := r.seen()
	s := Status{
		Dataset: r.cfg.Dataset, Announced: l.fold.Head, Position: l.fold.Position,
		Age: -1, State: StateLoading, Live: r.Live(), Failures: l.failures,
	}
	d := r.detours.Load()
	s.Detours, s.Detour = d.count, d.last
	if l.fold.Pin != nil {
		s.Pinned = l.fold.Pin.Version
	}
	if l.err != nil {
		s.Error = l.err.Error()
	}
	if view == nil {
		return s
	}
	s.Version, s.Created, s.Records = view.Version(), view.Manifest.Created, view.Root().Len()
	if !l.confirmed.IsZero() { // one from the cache may never have been
		s.Age = r.cfg.Now().Sub(l.confirmed)
	}
	switch {
	case l.diverged:
		s.State = StateDiverged
	case l.err != nil:
		s.State = StateStale
	default:
		s.State = StateReady
	}
	return s
}
