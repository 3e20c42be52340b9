package sidecar

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// sessions is the service holdfast.v1.Sessions.
type sessions struct {
	holdfastv1.UnimplementedSessionsServer
	s *Sidecar
}

// Open implements holdfastv1.SessionsServer.
func (x *sessions) Open(ctx context.Context, in *holdfastv1.OpenSessionRequest) (*holdfastv1.Session, error) {
	views, consistent, err := x.views(ctx, in.GetDatasets())
	if err != nil {
		return nil, toStatus(err)
	}
	session, err := x.s.sessions.Open(callerOf(ctx).name(), views, in.GetLease().AsDuration(), x.s.options.Now())
	if err != nil {
		return nil, toStatus(err)
	}
	out := message(session)
	out.Consistent = consistent
	return out, nil
}

// views loads what a session is asked to hold.
func (x *sessions) views(ctx context.Context, asked []*holdfastv1.SessionDataset) (views map[dataset.Name]*replica.View, consistent bool, err error) {
	if most := x.s.cfg.Limits.MaxBatch; len(asked) > most {
		return nil, false, fmt.Errorf("%w: more than %d datasets in a session", errLimit, most)
	}
	all := x.s.routes.Load().datasets
	versions := map[dataset.Name]dataset.Version{}
	var open []dataset.Name
	for _, d := range asked {
		name := dataset.Name(d.GetDataset())
		_, twice := versions[name]
		switch {
		case all[name] == nil:
			return nil, false, fmt.Errorf("dataset %.64q: %w", d.GetDataset(), errNoDataset)
		case twice:
			return nil, false, fmt.Errorf("dataset %s: %w: it is named twice", name, errMalformed)
		case d.GetVersion() == "":
			versions[name] = dataset.None
			open = append(open, name)
			continue
		}
		if versions[name], err = dataset.ParseVersion(d.GetVersion()); err != nil {
			return nil, false, fmt.Errorf("version: %w: %w", errMalformed, err)
		}
	}
	if len(versions) == 0 {
		return nil, false, fmt.Errorf("%w: a session needs a dataset", errMalformed)
	}
	views = map[dataset.Name]*replica.View{}
	cut, consistent, err := replica.Cut(open, func(name dataset.Name) (replica.Announced, error) {
		return all[name].replica.Announced(ctx)
	})
	if err != nil {
		consistent = false
		if cut, err = applied(all, open, err); err != nil {
			return nil, false, err
		}
	}
	for name, at := range cut {
		versions[name] = at.Version
	}
	for name, v := range versions {
		if views[name], err = all[name].at(ctx, v); err != nil {
			return nil, false, err
		}
		if _, err := all[name].plan(views[name]); err != nil {
			return nil, false, err
		}
	}
	return views, consistent, nil
}

// applied returns the versions that are applied, for when a log cannot be
// read; it fails with cause if there are none.
func applied(all map[dataset.Name]*served, names []dataset.Name, cause error) (map[dataset.Name]replica.Announced, error) {
	cut := map[dataset.Name]replica.Announced{}
	for _, name := range names {
		view := all[name].replica.Current()
		if view == nil {
			return nil, fmt.Errorf("dataset %s: %w: %w", name, errNotLoaded, cause)
		}
		cut[name] = replica.Announced{Version: view.Version(), Manifest: view.ManifestDigest}
	}
	return cut, nil
}

// Renew implements holdfastv1.SessionsServer.
func (x *sessions) Renew(_ context.Context, in *holdfastv1.RenewSessionRequest) (*holdfastv1.Session, error) {
	session, err := x.s.sessions.Renew(replica.SessionID(in.GetId()), x.s.options.Now())
	if err != nil {
		return nil, toStatus(err)
	}
	return message(session), nil
}

func message(session *replica.Session) *holdfastv1.Session {
	out := &holdfastv1.Session{Id: string(session.ID), Lease: durationpb.New(session.Lease)}
	versions := session.Versions()
	for _, name := range slices.Sorted(maps.Keys(versions)) {
		out.Datasets = append(out.Datasets, &holdfastv1.SessionDataset{Dataset: string(name), Version: versions[name].String()})
	}
	return out
}

// Close implements holdfastv1.SessionsServer.
func (x *sessions) Close(_ context.Context, in *holdfastv1.CloseSessionRequest) (*holdfastv1.CloseSessionResponse, error) {
	x.s.sessions.Close(replica.SessionID(in.GetId()))
	return &holdfastv1.CloseSessionResponse{}, nil
}

// currentView returns the view of a dataset that is held without a session.
func (s *Sidecar) currentView(name dataset.Name) *replica.View {
	if r := s.Replica(name); r != nil {
		return r.Current()
	}
	return nil
}
