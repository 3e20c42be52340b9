package faults

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// replicas are followers that refresh when they are told to, and keep nothing
// on disk.
type replicas struct {
	s   *Scenario
	all [sidecars]*replica.Replica
}

func newReplicas(s *Scenario) *replicas {
	r := &replicas{s: s}
	for i := range r.all {
		_ = r.restart(i) // never fails
	}
	return r
}

// restart gives a sidecar a replica without memory.
func (r *replicas) restart(i int) error {
	cfg := replica.DefaultConfig()
	cfg.Dataset, cfg.Store, cfg.Logger = items, r.s.store, slog.New(slog.DiscardHandler)
	r.all[i] = replica.Open(cfg)
	r.s.truth.forget(i)
	return nil
}

// read lets a sidecar look at the store, and reads what it serves.
func (r *replicas) read(ctx context.Context, i int) error {
	err := r.all[i].Refresh(ctx)
	if err == nil {
		r.s.Counts.Refreshed++
	} else {
		r.s.Counts.NotRefreshed++
	}
	r.s.Counts.Reads++
	return r.s.truth.read(i, r.all[i], err)
}

// during does nothing: a replica refreshes between publishes.
func (*replicas) during(context.Context) func() error { return func() error { return nil } }

func (r *replicas) settled(ctx context.Context, i int) error {
	if err := r.read(ctx, i); err != nil {
		return err
	}
	status := r.all[i].Status()
	if r.s.truth.fold.Head != dataset.None && status.State != replica.StateReady {
		return fmt.Errorf("sidecar %d does not recover: it is %s: %s", i, status.State, status.Error)
	}
	return nil
}

func (*replicas) close() error { return nil }
