package sidecar

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state"
	"github.com/holdfast-data/holdfast/pkg/state/diff"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// generic is the service holdfast.v1.Lookup.
type generic struct {
	holdfastv1.UnimplementedLookupServer
	s *Sidecar
}

// dataset returns what is served under a name.
func (g *generic) dataset(name string) (*served, error) {
	if d := g.s.routes.Load().datasets[dataset.Name(name)]; d != nil {
		return d, nil
	}
	return nil, toStatus(fmt.Errorf("dataset %.64q: %w", name, errNoDataset))
}

// look runs one look-up in a dataset at the version that the call wants.
func (g *generic) look(ctx context.Context, k kind, name, version string, f func(reading) error) error {
	d, err := g.dataset(name)
	if err != nil {
		return err
	}
	start := time.Now()
	err = errPanic // unless f returns
	defer func() { d.stats.count(k, status.Code(err), time.Since(start)) }()
	r, failed := d.readHeader(ctx, version)
	if failed == nil {
		failed = f(r)
	}
	err = toStatus(failed)
	return err
}

// Get implements holdfastv1.LookupServer.
func (g *generic) Get(ctx context.Context, in *holdfastv1.GetRequest) (out *holdfastv1.GetResponse, err error) {
	err = g.look(ctx, kindGenericGet, in.GetDataset(), in.GetVersion(), func(r reading) error {
		record, err := r.byText(in.GetKey(), g.s.cfg.Limits.MaxAnswerBytes, claimOf(ctx))
		if err != nil {
			return err
		}
		if record == nil {
			return fmt.Errorf("dataset %s: %w", in.GetDataset(), errAbsent)
		}
		out = &holdfastv1.GetResponse{Version: r.view.Version().String(), Record: record}
		return nil
	})
	return out, err
}

// byText returns the record with a key of texts, nil if there is none.
func (r reading) byText(texts []string, most int, room protomap.Room) (*holdfastv1.Record, error) {
	key, err := r.plan.mapping.Key(texts)
	if err != nil {
		return nil, err
	}
	record, ok := r.view.Index.Record(key...)
	if !ok {
		return nil, nil
	}
	return r.record(record, most, room)
}

// asText is about how many times its message a record takes while its text is
// made: what is parsed, what is written, and copies.
const asText = 4

// record returns a record in all its forms, which have at most so many bytes.
func (r reading) record(record state.Record, most int, room protomap.Room) (*holdfastv1.Record, error) {
	message, err := r.plan.mapping.AppendWithin(nil, record, room)
	if err != nil {
		return nil, err
	}
	if n := asText * len(message); n > smallAnswer {
		if err := room.Grow(n); err != nil {
			return nil, err
		}
	}
	text, err := r.plan.mapping.JSON(record)
	if err != nil {
		return nil, err
	}
	if size := len(message) + len(text); size > most {
		return nil, fmt.Errorf("%w: the record has %d bytes, at most %d are allowed (limits.max_answer_bytes)", errLimit, size, most)
	}
	return &holdfastv1.Record{Type: r.view.Root().Schema().Name, Message: message, Json: string(text)}, nil
}

// BatchGet implements holdfastv1.LookupServer.
func (g *generic) BatchGet(ctx context.Context, in *holdfastv1.BatchGetRequest) (out *holdfastv1.BatchGetResponse, err error) {
	limits := g.s.cfg.Limits
	err = g.look(ctx, kindGenericBatchGet, in.GetDataset(), in.GetVersion(), func(r reading) error {
		if len(in.GetKeys()) > limits.MaxBatch {
			return fmt.Errorf("%w: more than %d keys in a batch (limits.max_batch)", errLimit, limits.MaxBatch)
		}
		out = &holdfastv1.BatchGetResponse{Version: r.view.Version().String()}
		size := 0
		for i, key := range in.GetKeys() {
			if err := ctx.Err(); err != nil {
				return err
			}
			record, err := r.byText(key.GetValues(), limits.MaxAnswerBytes, claimOf(ctx))
			if err != nil {
				return fmt.Errorf("key %d: %w", i+1, err)
			}
			n := len(record.GetMessage()) + len(record.GetJson())
			if err := claimOf(ctx).keep(n); err != nil {
				return fmt.Errorf("key %d: %w", i+1, err)
			}
			if size += n; size > limits.MaxAnswerBytes {
				return fmt.Errorf("%w: the answer exceeds %d bytes (limits.max_answer_bytes)", errLimit, limits.MaxAnswerBytes)
			}
			out.Results = append(out.Results, &holdfastv1.BatchGetResult{Record: record})
		}
		return nil
	})
	return out, err
}

// List implements holdfastv1.LookupServer.
func (g *generic) List(in *holdfastv1.ListRequest, stream grpc.ServerStreamingServer[holdfastv1.Record]) error {
	return g.look(stream.Context(), kindGenericList, in.GetDataset(), in.GetVersion(), func(r reading) error {
		box := g.s.gate.newOutbox(callerOf(stream.Context()), stream)
		defer box.close()
		return g.s.list(r, in.GetLimit(), func(record state.Record) error {
			return box.send(func(b []byte) ([]byte, error) {
				out, err := r.record(record, g.s.cfg.Limits.MaxAnswerBytes, box)
				if err != nil {
					return b, err
				}
				return proto.MarshalOptions{}.MarshalAppend(b, out)
			})
		})
	})
}

// Diff implements holdfastv1.LookupServer.
func (g *generic) Diff(ctx context.Context, in *holdfastv1.DiffRequest) (*holdfastv1.DiffResponse, error) {
	to := in.GetToDataset()
	if to == "" {
		to = in.GetFromDataset()
	}
	var views [2]*replica.View
	for i, x := range [2]struct{ name, version string }{{in.GetFromDataset(), in.GetFromVersion()}, {to, in.GetToVersion()}} {
		d, err := g.dataset(x.name)
		if err != nil {
			return nil, err
		}
		r, err := d.readHeader(ctx, x.version)
		if err != nil {
			return nil, toStatus(err)
		}
		views[i] = r.view
	}
	root, err := diff.Root(views[0].Root(), views[1].Root())
	if err != nil {
		return nil, toStatus(err)
	}
	result, err := diff.States(ctx, views[0].State, views[1].State, diff.Options{Type: root})
	if err != nil {
		return nil, toStatus(err)
	}
	out := &holdfastv1.DiffResponse{
		FromVersion: views[0].Version().String(), ToVersion: views[1].Version().String(),
		Added: uint64(result.Added), Removed: uint64(result.Removed), Changed: uint64(result.Changed), Unchanged: uint64(result.Unchanged),
		Fields: map[string]uint64{},
	}
	for path, n := range result.Fields {
		out.Fields[path] = uint64(n)
	}
	return out, nil
}

// Datasets implements holdfastv1.LookupServer.
func (g *generic) Datasets(context.Context, *holdfastv1.DatasetsRequest) (*holdfastv1.DatasetsResponse, error) {
	t := g.s.routes.Load()
	out := &holdfastv1.DatasetsResponse{}
	for _, name := range slices.Sorted(maps.Keys(t.datasets)) {
		d := t.datasets[name]
		info := &holdfastv1.DatasetInfo{Name: string(name), Required: d.declared.Required}
		if view := d.replica.Current(); view != nil {
			info.Root, info.Key = view.Root().Schema().Name, keyPaths(view)
		}
		if p := t.plans[name]; p != nil {
			info.Service = string(p.service.FullName())
		}
		out.Datasets = append(out.Datasets, info)
	}
	return out, nil
}

// Schema implements holdfastv1.LookupServer.
func (g *generic) Schema(ctx context.Context, in *holdfastv1.SchemaRequest) (*holdfastv1.SchemaResponse, error) {
	d, err := g.dataset(in.GetDataset())
	if err != nil {
		return nil, err
	}
	r, err := d.readHeader(ctx, in.GetVersion())
	if err != nil {
		return nil, toStatus(err)
	}
	text, err := r.source()
	if err != nil {
		return nil, toStatus(err)
	}
	set := &descriptorpb.FileDescriptorSet{}
	appendFile(set, map[string]bool{}, r.plan.file)
	encoded, err := proto.MarshalOptions{Deterministic: true}.Marshal(set)
	if err != nil {
		return nil, toStatus(fmt.Errorf("encode schema: %w", err))
	}
	return &holdfastv1.SchemaResponse{
		Version: r.view.Version().String(), Proto: text, Declared: r.plan.declared,
		DescriptorSet: encoded, Message: string(r.plan.message.FullName()),
	}, nil
}

// source returns the .proto text of what is read; of a dataset that declares
// none it is a draft for its owner to keep.
func (r reading) source() (string, error) {
	if r.plan.declared {
		return protomap.Source(r.plan.file)
	}
	root := *r.view.Root().Schema()
	root.Key = r.view.Index.Paths() // which may be declared here
	schemas := maps.Clone(r.view.State.Schemas())
	schemas[root.Name] = &root
	return protomap.Derive(schemas, root.Name)
}

// appendFile appends a file after what it imports.
func appendFile(set *descriptorpb.FileDescriptorSet, seen map[string]bool, file protoreflect.FileDescriptor) {
	if seen[file.Path()] {
		return
	}
	seen[file.Path()] = true
	for i := range file.Imports().Len() {
		appendFile(set, seen, file.Imports().Get(i).FileDescriptor)
	}
	set.File = append(set.File, protodesc.ToFileDescriptorProto(file))
}

// Versions implements holdfastv1.LookupServer.
func (g *generic) Versions(ctx context.Context, in *holdfastv1.VersionsRequest) (*holdfastv1.VersionsResponse, error) {
	d, err := g.dataset(in.GetDataset())
	if err != nil {
		return nil, err
	}
	history, err := d.replica.History(ctx)
	lost := &replica.LostError{}
	if err != nil && !errors.As(err, &lost) {
		return nil, toStatus(fmt.Errorf("%w: %w", errNotReadable, err))
	}
	root := ""
	if view := d.replica.Current(); view != nil {
		root = view.Root().Schema().Name
	}
	live := d.replica.Live()
	out := &holdfastv1.VersionsResponse{}
	for _, at := range history {
		m := at.Manifest
		info := &holdfastv1.VersionInfo{
			Version: m.Version.String(), Live: slices.Contains(live, m.Version), Created: timestamppb.New(m.Created),
			Records: uint64(m.Records[root]), Checksum: m.Checksum.String(),
		}
		if m.Previous != dataset.None {
			info.Previous = m.Previous.String()
		}
		out.Versions = append(out.Versions, info)
	}
	for i, v := range lost.Versions { // ascending, so i of them stand before it
		at, _ := slices.BinarySearchFunc(history, v, func(p replica.Point, v dataset.Version) int { return cmp.Compare(p.Manifest.Version, v) })
		out.Versions = slices.Insert(out.Versions, at+i, &holdfastv1.VersionInfo{Version: v.String()})
	}
	return out, nil
}

// Status implements holdfastv1.LookupServer.
func (g *generic) Status(_ context.Context, in *holdfastv1.StatusRequest) (*holdfastv1.StatusResponse, error) {
	if in.GetDataset() != "" {
		if _, err := g.dataset(in.GetDataset()); err != nil {
			return nil, err
		}
	}
	all := g.s.Status()
	out := &holdfastv1.StatusResponse{Ready: all.Ready}
	if all.Gossip != nil {
		out.GossipMembers = uint32(all.Gossip.Members)
	}
	for _, d := range all.Datasets {
		if in.GetDataset() != "" && in.GetDataset() != string(d.Dataset) {
			continue
		}
		info := &holdfastv1.DatasetStatus{
			Name: string(d.Dataset), Version: text(d.Version), Announced: text(d.Announced), Pinned: text(d.Pinned),
			AgeMs: d.AgeMS, State: d.State, Error: d.Error, Records: uint64(d.Records), Position: d.Position,
			Ready: d.Ready, Required: d.Required, Service: d.Service,
			PendingDeclaration: d.Pending,
		}
		for _, v := range d.Live {
			info.Live = append(info.Live, v.String())
		}
		out.Datasets = append(out.Datasets, info)
	}
	return out, nil
}

// text is the text form of a version, empty for None.
func text(v dataset.Version) string {
	if v == dataset.None {
		return ""
	}
	return v.String()
}
