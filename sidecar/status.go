package sidecar

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/holdfast-data/holdfast/pkg/blob/cloud"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// Status is what a Sidecar is doing now. It feeds /status, /readyz, the generic
// service, gRPC health and the metrics.
type Status struct {
	// Ready says that every required dataset is.
	Ready    bool            `json:"ready"`
	Datasets []DatasetStatus `json:"datasets"`
	Gossip   *GossipStatus   `json:"gossip,omitempty"`
	// Listen, Socket and Admin are the addresses; empty ones are off.
	Listen string `json:"listen,omitempty"`
	Socket string `json:"socket,omitempty"`
	Admin  string `json:"admin,omitempty"`
	// Uptime is in seconds.
	Uptime float64 `json:"uptime_seconds"`
	// Sessions is the number of sessions, SessionBytes what is kept for them
	// alone.
	Sessions     int   `json:"sessions"`
	SessionBytes int64 `json:"session_bytes"`
	// Generation counts the declarations that were loaded, from 1 on.
	Generation int64 `json:"generation"`
	// Calls is the number of look-ups under way.
	Calls int64 `json:"calls"`
}

// DatasetStatus is the status of a replica and of what is made of it.
type DatasetStatus struct {
	replica.Status
	// AgeMS is the age in milliseconds, -1 if there is none.
	AgeMS int64 `json:"age_ms"`
	// Ready says that the current version is applied and can be asked; if not,
	// Why says what is missing.
	Ready    bool   `json:"ready"`
	Why      string `json:"why,omitempty"`
	Required bool   `json:"required"`
	Store    string `json:"store"`
	Owner    string `json:"owner,omitempty"`
	// Root and Key are the root type and its key fields.
	Root string   `json:"root,omitempty"`
	Key  []string `json:"key,omitempty"`
	// Pending says why the newest declaration is not served yet, but the one
	// before, which all of this is about; empty if the newest is.
	Pending string `json:"pending_declaration,omitempty"`
	// LeaveOut are the fields that are declared to be left out.
	LeaveOut []string `json:"leave_out,omitempty"`
	// Service is the full name of the typed service, Schema the digest of the
	// declared schema.
	Service string         `json:"service,omitempty"`
	Schema  dataset.Digest `json:"schema,omitzero"`
}

// GossipStatus is how the cluster looks from here.
type GossipStatus struct {
	Cluster string `json:"cluster"`
	Address string `json:"address"`
	// Members seem to be alive; this one is counted.
	Members int `json:"members"`
}

// Status returns the status; datasets are in order of name.
func (s *Sidecar) Status() Status {
	t := s.routes.Load()
	out := Status{
		Ready: true, Socket: s.cfg.Socket, Admin: s.AdminAddr(),
		Uptime: s.options.Now().Sub(s.started).Seconds(), Calls: s.gate.calls.now.Load(), Datasets: []DatasetStatus{},
	}
	out.Generation = s.generation.Load()
	out.Sessions, out.SessionBytes = s.sessions.Held(s.options.Now())
	if s.cfg.Listen != "" {
		out.Listen = s.Addr()
	}
	for _, name := range slices.Sorted(maps.Keys(t.datasets)) {
		d := s.datasetStatus(t, t.datasets[name])
		out.Ready = out.Ready && (d.Ready || !d.Required)
		out.Datasets = append(out.Datasets, d)
	}
	if s.gossip != nil {
		out.Gossip = &GossipStatus{Cluster: s.cfg.Gossip.Cluster, Address: s.gossip.Addr(), Members: s.gossip.Members()}
	}
	return out
}

func (s *Sidecar) datasetStatus(t *routes, d *served) DatasetStatus {
	out := DatasetStatus{
		Status: d.replica.Status(), AgeMS: -1, Required: d.declared.Required, Store: cloud.Shown(d.declared.Store), Owner: d.declared.Owner, LeaveOut: d.declared.LeaveOut,
	}
	out.Pending = s.pending(d)
	out.State = d.state(replica.Freshness{State: out.State, Age: out.Age})
	if out.Age >= 0 {
		out.AgeMS = out.Age.Milliseconds()
	}
	if err := s.ready(t, d); err != nil {
		out.Why = err.Error()
	} else {
		out.Ready = true
	}
	if view := d.replica.Current(); view != nil {
		out.Root, out.Key, out.Schema = view.Root().Schema().Name, keyPaths(view), view.Manifest.Schema
	}
	if p := t.plans[d.declared.Name]; p != nil {
		out.Service = string(p.service.FullName())
	}
	return out
}

func keyPaths(view *replica.View) []string {
	var out []string
	for _, k := range view.Mapping.KeyFields() {
		out = append(out, k.Path)
	}
	return out
}

// errNotReady is why a sidecar is not ready.
var errNotReady = errors.New("not ready")

// ready says why a dataset is not ready: nothing is applied, or what is
// applied cannot be asked, or the store became another one.
func (s *Sidecar) ready(t *routes, d *served) error {
	name := d.declared.Name
	view := d.replica.Current()
	if view == nil {
		return fmt.Errorf("dataset %s: %w: nothing is applied", name, errNotReady)
	}
	fresh := d.replica.Freshness()
	if fresh.State == replica.StateDiverged {
		return fmt.Errorf("dataset %s: %w: the store was restored or replaced", name, errNotReady)
	}
	if w := (wanted{maxAge: d.declared.MaxStaleness, byPolicy: true}); d.declared.Policy == PolicyRefuse && w.tooOld(fresh) {
		return fmt.Errorf("%w: %w", errNotReady, d.tooStale(fresh, w))
	}
	p := (*d.plans.Load())[d.schemaID(view)]
	switch {
	case p.err != nil:
		return fmt.Errorf("%w: %w", errNotReady, p.err)
	case p.plan == nil || p.plan.service != nil && t.plans[name] == nil:
		return fmt.Errorf("dataset %s: %w: its service is being made", name, errNotReady)
	}
	return nil
}

// Ready returns nil if every required dataset is ready, else why not.
func (s *Sidecar) Ready() error {
	t := s.routes.Load()
	if len(t.datasets) == 0 {
		return errNothing
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(t.datasets)) {
		if d := t.datasets[name]; d.declared.Required {
			errs = append(errs, s.ready(t, d))
		}
	}
	return errors.Join(errs...)
}

// errNothing says that a followed store has no dataset.
var errNothing = errors.New("nothing is served: the store has no dataset yet; is it the folder that was published into?")

// readyFor is Ready for a request: ?datasets=a,b names the ones that count,
// ?max_staleness=5s bounds their age.
func (s *Sidecar) readyFor(r *http.Request) error {
	t := s.routes.Load()
	names, w, err := readinessWanted(r.URL.RawQuery)
	switch {
	case err != nil:
		return err
	case names == nil && len(t.datasets) == 0:
		return errNothing
	case names == nil:
		for _, name := range slices.Sorted(maps.Keys(t.datasets)) {
			if t.datasets[name].declared.Required {
				names = append(names, name)
			}
		}
	}
	var errs []error
	for _, name := range names {
		d := t.datasets[name]
		if d == nil {
			errs = append(errs, fmt.Errorf("dataset %.64s: %w", name, errNoDataset))
			continue
		}
		err := s.ready(t, d)
		if fresh := d.replica.Freshness(); err == nil && w.tooOld(fresh) {
			err = d.tooStale(fresh, w)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// readinessWanted reads the parameters of a request for readiness; names is nil
// if it names no datasets. One that is misspelt would ask for less than was
// meant, and pass.
func readinessWanted(raw string) (names []dataset.Name, w wanted, err error) {
	w.maxAge = -1
	query, err := url.ParseQuery(raw)
	if err != nil {
		return nil, w, fmt.Errorf("%w: %w", errMalformed, err)
	}
	for _, name := range slices.Sorted(maps.Keys(query)) {
		if name != "datasets" && name != "max_staleness" || len(query[name]) > 1 {
			return nil, w, fmt.Errorf("%w: parameter %q: there are datasets and max_staleness, once each", errMalformed, name)
		}
	}
	if text := query.Get("max_staleness"); query.Has("max_staleness") {
		if w.maxAge, err = time.ParseDuration(text); err != nil || w.maxAge <= 0 {
			return nil, w, fmt.Errorf("%w: max_staleness: %.40q is no duration above 0 such as 5s", errMalformed, text)
		}
	}
	if query.Has("datasets") {
		names = []dataset.Name{}
		for text := range strings.SplitSeq(query.Get("datasets"), ",") {
			names = append(names, dataset.Name(text))
		}
	}
	return names, w, nil
}
