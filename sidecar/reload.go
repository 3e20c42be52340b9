package sidecar

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"

	"github.com/holdfast-data/holdfast/pkg/blob/cloud"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// ErrNotRunning says that a Sidecar does not run, or no longer.
var ErrNotRunning = errors.New("sidecar is not running")

// Reload makes the sidecar serve what cfg declares: datasets that are new, gone
// or declared otherwise. No call fails because of it: one under way keeps what it
// reads, and a dataset whose store or key is another one is served as before
// until the new one is loaded. All other keys need a restart, which is logged. It
// fails with ErrConfig, ErrNotRunning and the errors of stores, and then changes
// nothing.
func (s *Sidecar) Reload(ctx context.Context, cfg Config) error {
	if err := cfg.Validate(); err != nil {
		return err
	}
	s.reloading.Lock()
	defer s.reloading.Unlock()
	if s.run == nil {
		return fmt.Errorf("reload: %w", ErrNotRunning)
	}
	next := map[dataset.Name]*served{}
	for _, d := range cfg.Datasets {
		to, err := s.redeclare(ctx, d)
		if err != nil {
			return fmt.Errorf("reload: dataset %s: %w", d.Name, err)
		}
		next[d.Name] = to
	}
	for _, key := range otherKeys(s.cfg, cfg) {
		s.log.Warn("this key is read at the start only: restart to change it", "key", key)
	}
	s.replace(next)
	s.log.Info("declarations are reloaded", "generation", s.generation.Add(1), "datasets", len(next))
	return nil
}

// declarations are what the configuration declares, by name. Status reads them
// while a reload waits for a store. The zero value has none.
type declarations struct {
	all atomic.Pointer[map[dataset.Name]*served]
}

// get returns all of them, which must not be changed.
func (d *declarations) get() map[dataset.Name]*served {
	if all := d.all.Load(); all != nil {
		return *all
	}
	return nil
}

// set takes all, which must not be changed any more.
func (d *declarations) set(all map[dataset.Name]*served) { d.all.Store(&all) }

// pending says why the newest declaration of a dataset is not served yet, but d
// is; empty if the newest is served. A restart would serve only that.
func (s *Sidecar) pending(d *served) string {
	newest := s.declared.get()[d.declared.Name]
	switch {
	case newest == nil || newest.replica == d.replica:
		return "" // found in a followed store, or by the newest declaration
	case newest.replica.Status().Error == "":
		return "the newest declaration is not served yet: it is being loaded"
	}
	return "the newest declaration is not served: " + newest.replica.Status().Error
}

// redeclare returns what serves a declaration: the same as before, the same
// replica by other rules, or a new replica, which does not run yet.
func (s *Sidecar) redeclare(ctx context.Context, d DatasetConfig) (*served, error) {
	old := s.declared.get()[d.Name]
	if old != nil && sameDeclaration(old.declared, d) {
		return old, nil
	}
	if old != nil {
		same := old.declared
		same.Required, same.Policy, same.MaxStaleness = d.Required, d.Policy, d.MaxStaleness
		if sameDeclaration(same, d) {
			return old.with(d), nil
		}
	}
	store, err := s.store(ctx, d.Store)
	if err != nil {
		return nil, err
	}
	n := s.serve(d, store)
	if old != nil {
		n.listed = old.listed // its lists go on, and keep what they read
	}
	return n, nil
}

// sameDeclaration compares declarations; a list that is empty is like none.
func sameDeclaration(a, b DatasetConfig) bool {
	same := slices.Equal(a.Key, b.Key) && slices.Equal(a.LeaveOut, b.LeaveOut)
	a.Key, a.LeaveOut, b.Key, b.LeaveOut = nil, nil, nil, nil
	return same && reflect.DeepEqual(a, b)
}

// with returns s by another declaration of the same replica.
func (s *served) with(d DatasetConfig) *served {
	n := newServed(d, s.replica, s.limits, s.gate)
	n.sessions, n.now, n.stats, n.listed, n.end = s.sessions, s.now, s.stats, s.listed, s.end
	n.plans.Store(s.plans.Load())
	return n
}

// replace makes next what is declared. The mutex reloading is held.
func (s *Sidecar) replace(next map[dataset.Name]*served) {
	before, was := s.declared.get(), s.routes.Load().datasets
	s.declared.set(next)
	s.reroute(func(all map[dataset.Name]*served) {
		for name, old := range before {
			now := all[name]
			if next[name] == nil {
				delete(all, name)
				now = nil
			}
			if to := next[name]; to != nil && to.replica == old.replica && now != nil && now.replica == old.replica {
				all[name] = to
			}
		}
		for name, d := range next {
			if all[name] == nil {
				all[name] = d
			}
		}
	})
	for name, old := range before {
		if to := next[name]; to == nil || to.replica != old.replica && was[name] != old {
			old.end() // what is served goes on until takeOver
		}
		if next[name] == nil {
			was[name].end()
		}
	}
	for _, d := range next {
		if d.end == nil {
			s.run(d)
		}
	}
}

// takeOver puts a dataset in the place of the one that is served under its name,
// as soon as it can be asked and takes nobody back. What came while it loaded it
// reads at once.
func (s *Sidecar) takeOver(ctx context.Context, d *served) error {
	for {
		looked := d.replica.Looked()
		if s.exchange(d.declared.Name, d) {
			return nil
		}
		if d.replica.Freshness().State == replica.StateReady {
			d.replica.Look()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-looked:
		}
	}
}

// exchange serves d, or what it became, unless it is not declared any more. It
// returns false as long as d cannot be asked, or is behind in the log that the
// one before it follows, too. Another log has other versions, which are not
// compared.
func (s *Sidecar) exchange(name dataset.Name, d *served) (done bool) {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	now := s.declared.get()[name]
	old := s.routes.Load().datasets[name]
	if now == nil || now.replica != d.replica || old != nil && old.replica == d.replica {
		return true
	}
	if _, _, err := now.current(); errors.Is(err, errNotLoaded) { // else its plan is made, before others wait for it
		return false
	}
	swap := func() { s.reroute(func(all map[dataset.Name]*served) { all[name] = now }) }
	if old == nil || !sameLog(old.declared, now.declared) {
		swap()
	} else if !now.replica.Relieve(old.replica, swap) {
		return false
	}
	if old != nil && old.end != nil {
		old.end()
	}
	s.log.Info("serving a dataset by another declaration", "dataset", name)
	return true
}

// sameLog says whether two declarations of a dataset are followed by the same log.
func sameLog(a, b DatasetConfig) bool {
	return cloud.Identity(a.Store) == cloud.Identity(b.Store) && (a.Owner == OwnerHollow) == (b.Owner == OwnerHollow)
}

// otherKeys returns the keys besides datasets that differ.
func otherKeys(a, b Config) (keys []string) {
	va, vb := reflect.ValueOf(a), reflect.ValueOf(b)
	for i := range va.NumField() {
		f := va.Type().Field(i)
		if key := f.Tag.Get("yaml"); f.IsExported() && key != "datasets" && key != "-" && !reflect.DeepEqual(va.Field(i).Interface(), vb.Field(i).Interface()) {
			keys = append(keys, key)
		}
	}
	return keys
}
