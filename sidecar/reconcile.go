package sidecar

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/cloud"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// open makes what is declared, without loading any of it.
func (s *Sidecar) open(ctx context.Context) error {
	all := map[dataset.Name]*served{}
	for _, d := range s.cfg.Datasets {
		store, err := s.store(ctx, d.Store)
		if err != nil {
			return fmt.Errorf("dataset %s: %w", d.Name, err)
		}
		all[d.Name] = s.serve(d, store)
	}
	s.declared.set(maps.Clone(all))
	if s.cfg.follow != "" {
		found, err := s.discover(ctx, all, true)
		if err != nil {
			return err
		}
		maps.Copy(all, found)
	}
	t, err := newRoutes(all)
	s.routes.Store(t)
	return err
}

// store opens a store once.
func (s *Sidecar) store(ctx context.Context, location string) (blob.Store, error) {
	s.opening.Lock()
	defer s.opening.Unlock()
	if store := s.stores[location]; store != nil {
		return store, nil
	}
	open := cloud.Open
	if s.cache != nil {
		open = cloud.OpenLater // the cache has what is needed until the store is there
	}
	if s.options.World.Store != nil {
		open = s.options.World.Store
	}
	store, err := open(ctx, location)
	if err != nil {
		return nil, err
	}
	s.stores[location] = store
	return store, nil
}

// serve makes the replica of a dataset; it does not run yet.
func (s *Sidecar) serve(d DatasetConfig, store blob.Store) *served {
	cfg := replica.DefaultConfig()
	cfg.Dataset, cfg.Store, cfg.Poll, cfg.Keep = d.Name, store, s.cfg.Poll, s.cfg.Limits.MaxVersions
	filter, _ := d.filter() // Validate has seen it
	cfg.Declared = replica.Declared{Root: d.Root, Key: d.Key, Filter: filter}
	if dir, ok := store.(*blob.Dir); ok && d.Owner == OwnerHollow {
		cfg.Folder = dir.Root()
	}
	cfg.Jitter, cfg.StartJitter, cfg.NoFallback = s.cfg.HintJitter, s.cfg.HintJitter, d.Fallback == FallbackWait
	cfg.Fetches, cfg.Members = s.fetches, s.members
	cfg.Now, cfg.Logger, cfg.Cache, cfg.Origin = s.options.Now, s.log, s.cache, cloud.Identity(d.Store)
	var out *served
	var first sync.Once
	cfg.Confirmed = func(h announce.Hint) {
		first.Do(func() {
			s.log.Info("a dataset is loaded", "dataset", d.Name, "version", h.Version, "records", out.replica.Current().Root().Len())
		})
		if s.gossip != nil {
			s.gossip.Confirm(h) // whoever said it; it is passed on if it is news
		}
	}
	cfg.Diverged = func() {
		if s.gossip != nil {
			s.gossip.Forget(d.Name)
		}
	}
	limits := protomap.Limits{Depth: s.cfg.Limits.MaxDepth, Size: s.cfg.Limits.MaxAnswerBytes}
	out = newServed(d, replica.Open(cfg), limits, s.gate)
	out.sessions, out.now, out.listed = s.sessions, s.options.Now, newListed(s.cfg.Limits.MaxListedVersions)
	return out
}

// members returns how many sidecars hear of the same news, this one included.
func (s *Sidecar) members() int {
	if s.gossip == nil {
		return 1
	}
	return s.gossip.Members()
}

// discover returns the datasets of the followed store that are not known yet. If it
// does not answer, they are those of the cache; also if it has none at all at the
// start, when they are required: it may be a mount point without its store.
func (s *Sidecar) discover(ctx context.Context, known map[dataset.Name]*served, required bool) (map[dataset.Name]*served, error) {
	store, err := s.store(ctx, s.cfg.follow)
	if err != nil {
		return nil, err
	}
	names, err := blob.Datasets(ctx, store)
	if s.cache != nil && (err != nil || required && len(names) == 0) {
		names, err = s.cache.Datasets(cloud.Identity(s.cfg.follow))
		if required && len(names) == 0 {
			s.log.Warn("the store has no datasets, or does not answer, and the cache has none of it", "store", cloud.Shown(s.cfg.follow))
		}
	}
	if err != nil {
		return nil, err
	}
	found := map[dataset.Name]*served{}
	for _, name := range names {
		if known[name] == nil {
			found[name] = s.serve(DatasetConfig{Name: name, Store: s.cfg.follow, Required: required, Owner: OwnerHoldfast}, store)
		}
	}
	return found, nil
}

// follow adds datasets to what is served as they appear in the followed store,
// until ctx ends; run is called with each.
func (s *Sidecar) follow(ctx context.Context, run func(*served)) error {
	failed := false
	return every(ctx, s.cfg.Poll, func() {
		found, err := s.discover(ctx, s.routes.Load().datasets, false)
		if err != nil && !failed && ctx.Err() == nil {
			s.log.Warn("look for new datasets failed: it is tried again", "store", cloud.Shown(s.cfg.follow), "error", err)
		}
		failed = err != nil
		if len(found) == 0 {
			return
		}
		s.reloading.Lock()
		defer s.reloading.Unlock()
		s.reroute(func(all map[dataset.Name]*served) { maps.Copy(all, found) })
		for name, d := range found {
			s.log.Info("serving a new dataset", "dataset", name)
			run(d)
		}
	})
}

// every calls f until ctx ends, and returns its error.
func every(ctx context.Context, pause time.Duration, f func()) error {
	ticker := time.NewTicker(pause)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
			f()
		}
	}
}

// reroute changes what is served, unless change is nil, and replaces the routing
// table if it is out of date. What cannot be served typed is logged, and keeps
// its old service if it has one.
func (s *Sidecar) reroute(change func(map[dataset.Name]*served)) {
	s.routing.Lock()
	defer s.routing.Unlock()
	old := s.routes.Load()
	all := maps.Clone(old.datasets)
	if change != nil {
		change(all)
	}
	next, err := newRoutes(all)
	if err != nil {
		s.log.Error("typed service cannot be made", "error", err)
	}
	if !next.same(old) {
		s.routes.Store(next)
	}
	s.updateHealth(old)
}

// watch keeps the routing table up to date with a dataset, until ctx ends.
func (s *Sidecar) watch(ctx context.Context, name dataset.Name, r *replica.Replica) error {
	for {
		changed := r.Changed()
		t := s.routes.Load()
		if d, view := t.datasets[name], r.Current(); view != nil && d != nil && d.replica == r {
			if p, err := d.plan(view); err != nil || t.plans[name] != p {
				s.reroute(nil)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}
