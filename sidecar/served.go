package sidecar

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
)

// served is one dataset that is served.
type served struct {
	declared DatasetConfig
	replica  *replica.Replica
	sessions *replica.Sessions
	now      func() time.Time
	limits   protomap.Limits
	gate     *gate // that calls came through
	stats    *callStats
	listed   *listed

	mu    sync.Mutex // one plan is made at a time; readers do not take it
	plans atomic.Pointer[map[schemaID]planned]

	end        context.CancelFunc // ends the replica; set when it runs
	lastHeader atomic.Pointer[headerText]
}

// schemaID identifies the schema of a view.
type schemaID struct {
	mapping *protomap.Mapping
	segment dataset.Version // if the mapping is derived, maybe more than once
}

// planned is a plan, or why there is none.
type planned struct {
	plan *plan
	err  error
}

func newServed(d DatasetConfig, r *replica.Replica, limits protomap.Limits, g *gate) *served {
	s := &served{declared: d, replica: r, limits: limits, gate: g, stats: new(callStats)}
	s.plans.Store(&map[schemaID]planned{})
	s.lastHeader.Store(&headerText{})
	return s
}

// plan returns the plan of a view's schema. There are as many as the dataset
// had schemas.
func (s *served) plan(view *replica.View) (*plan, error) {
	id := s.schemaID(view)
	if p, ok := (*s.plans.Load())[id]; ok {
		return p.plan, p.err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := *s.plans.Load()
	if p, ok := old[id]; ok {
		return p.plan, p.err
	}
	p, err := newPlan(s.declared.Name, view, s.limits)
	if err != nil {
		err = fmt.Errorf("dataset %s: %w: %w", s.declared.Name, errNoSchema, err)
	}
	next := maps.Clone(old)
	next[id] = planned{p, err}
	s.plans.Store(&next)
	return p, err
}

func (s *served) schemaID(view *replica.View) schemaID {
	if view.Derived {
		return schemaID{segment: view.Manifest.Segment}
	}
	return schemaID{mapping: view.Mapping}
}

// current returns the newest view and its plan.
func (s *served) current() (*replica.View, *plan, error) {
	view := s.replica.Current()
	if view == nil {
		return nil, nil, s.notLoaded()
	}
	p, err := s.plan(view)
	return view, p, err
}

func (s *served) notLoaded() error {
	return fmt.Errorf("dataset %s: %w", s.declared.Name, errNotLoaded)
}

// willServe says whether the newest view has a typed service, which may not be
// routed yet.
func (s *served) willServe() bool {
	_, p, err := s.current()
	return err == nil && p.service != nil
}
