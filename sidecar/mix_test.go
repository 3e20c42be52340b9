package sidecar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// What mixed reads look at: mixRecords records, together more than a connection
// takes that is not read, so that a list stops in the middle of its version.
const (
	mixRecords  = 16
	mixVersions = 200 // that are applied while lists are under way
	mixPerList  = 8   // of them
	mixReads    = 10  // at least, by each of the other ways
)

// stage is a store whose versions are all there, but announced one by one: as
// fast as they can be applied, since making them takes longer than that.
type stage struct {
	t      *testing.T
	store  *blob.Dir
	hidden map[dataset.Name][][]byte // the log
	totals map[string]int            // by dataset and version: of each of its records
	order  map[dataset.Name][]string // versions
}

func newStage(t *testing.T, versions int, names ...dataset.Name) *stage {
	t.Helper()
	x := &stage{t, newStore(t), map[dataset.Name][][]byte{}, map[string]int{}, map[dataset.Name][]string{}}
	m := compile(t, usageProto)
	for _, name := range names {
		made := blob.NewMemory()
		c, err := cycle.Open(t.Context(), cycle.Config{
			Dataset: name, Store: made, Mapping: m, Author: announce.Author{Name: "test"},
			SnapshotEvery: 50, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
		})
		if err != nil {
			t.Fatal(err)
		}
		for i := range versions {
			result, err := c.Run(t.Context(), dataset.Lineage{}, func(sink protomap.Sink) error { return addMix(m, sink, i) })
			if err != nil {
				t.Fatal(err)
			}
			x.totals[string(name)+result.Version.String()] = i
			x.order[name] = append(x.order[name], result.Version.String())
		}
		x.copy(made, name)
	}
	return x
}

// addMix adds records that all have the total of their version.
func addMix(m *protomap.Mapping, sink protomap.Sink, total int) error {
	for i := range mixRecords {
		msg, err := m.ParseJSON(fmt.Appendf(nil, `{"region":"R%d","total":"%d","shares":[{"browser":"%s"}]}`, i, total, strings.Repeat("x", 5<<10)))
		if err != nil {
			return err
		}
		if _, err := m.Add(sink, msg); err != nil {
			return err
		}
	}
	return nil
}

// copy puts everything but the log into the store.
func (x *stage) copy(from blob.Store, name dataset.Name) {
	x.t.Helper()
	all, err := from.List(x.t.Context(), string(name)+"/")
	if err != nil {
		x.t.Fatal(err)
	}
	for _, info := range all {
		b, err := from.Get(x.t.Context(), info.Key)
		if err != nil {
			x.t.Fatal(err)
		}
		if blob.IsLogKey(name, info.Key) {
			x.hidden[name] = append(x.hidden[name], b)
			continue
		}
		path := filepath.Join(x.store.Root(), filepath.FromSlash(info.Key))
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, b, 0o600)); err != nil {
			x.t.Fatal(err)
		}
	}
}

// announce announces a version of each dataset.
func (x *stage) announce(number int, names ...dataset.Name) {
	x.t.Helper()
	for _, name := range names {
		if err := x.store.Put(x.t.Context(), blob.LogKey(name, int64(number)), x.hidden[name][number]); err != nil {
			x.t.Fatal(err)
		}
	}
}

// check says that records are all of one version.
func (x *stage) check(what string, name dataset.Name, version string, got []string) {
	total, ok := x.totals[string(name)+version]
	want := fmt.Sprintf(`"total":"%d"`, total)
	if total == 0 {
		want = `"region"` // a typed record leaves out what is zero
	}
	if !ok || len(got) != mixRecords || slices.ContainsFunc(got, func(r string) bool { return !strings.Contains(r, want) }) {
		x.t.Errorf("%s of %s at version %q: %d records, not all with %s", what, name, version, len(got), want)
	}
}

// mixReader reads all records of a dataset at once, in one way, whenever a
// version is on its way.
type mixReader struct {
	what  string
	read  func(context.Context) error
	due   chan struct{}
	reads atomic.Int64
}

// run reads until due is closed.
func (r *mixReader) run(t *testing.T) {
	for range r.due {
		if err := r.read(t.Context()); err != nil {
			t.Errorf("%s: %v", r.what, err)
		}
		r.reads.Add(1)
	}
}

// wake makes the reader read, if it does not yet.
func (r *mixReader) wake() {
	select {
	case r.due <- struct{}{}:
	default:
	}
}

// TestVersionsNeverMix reads by every way, in sessions and without, at the newest
// version and at named ones, while versions are applied: every record that one
// read returns has its version's total. The versions come in lock-step with
// lists, each of which has versions applied in its middle.
func TestVersionsNeverMix(t *testing.T) {
	x := newStage(t, mixVersions+1, "usage", "other")
	x.announce(0, "usage", "other")
	cfg := testConfig(x.store, "usage", "other")
	cfg.Poll = 2 * time.Millisecond
	s := start(t, cfg)
	untilReady(t, s)
	c := newClient(t, s, "usage")
	lookup := holdfastv1.NewLookupClient(c.conn)
	readers := []*mixReader{
		{what: "typed batch", read: func(ctx context.Context) error { return x.typedBatch(ctx, c) }},
		{what: "generic batch", read: func(ctx context.Context) error { return x.genericBatch(ctx, lookup, "other", "") }},
		{what: "session", read: func(ctx context.Context) error { return x.inSession(ctx, c) }},
		{what: "named version", read: func(ctx context.Context) error {
			return x.genericBatch(ctx, lookup, "usage", s.Replica("usage").Live()[0].String())
		}},
	}
	var all sync.WaitGroup
	defer all.Wait()
	for _, r := range readers {
		r.due = make(chan struct{}, 1)
		defer close(r.due)
		all.Go(func() { r.run(t) })
	}
	applied := 0
	for number := 1; applied < mixVersions; {
		list, finish := x.beginList(c, lookup, number/mixPerList)
		for range mixPerList {
			x.announce(number, "usage", "other")
			for _, r := range readers {
				r.wake()
			}
			for _, name := range []dataset.Name{"usage", "other"} {
				untilPosition(t, s, name, int64(number))
			}
			applied++
			number++
		}
		if list == x.order["usage"][number-1] {
			t.Fatal("the list has not begun before the versions came")
		}
		finish()
	}
	for _, r := range readers {
		within(t, time.Minute, r.what, func() bool {
			r.wake()
			return r.reads.Load() >= mixReads
		})
	}
	if got := s.Replica("usage").Status().Position; got != mixVersions || applied != mixVersions {
		t.Errorf("%d versions were applied, the last one is %d", applied, got)
	}
}

// untilPosition waits until the entry of a position is applied.
func untilPosition(t *testing.T, s *Sidecar, name dataset.Name, position int64) {
	t.Helper()
	r := s.Replica(name)
	until(t, fmt.Sprint("position ", position), func() bool {
		at := r.Status()
		return at.Position == position && at.Version == at.Announced
	})
}

// typedBatch reads all records of usage.
func (x *stage) typedBatch(ctx context.Context, c *client) error {
	var keys []string
	for i := range mixRecords {
		keys = append(keys, fmt.Sprintf(`{"region":"R%d"}`, i))
	}
	var header metadata.MD
	batch, err := c.call(ctx, "BatchGetUsage", `{"keys":[`+strings.Join(keys, ",")+`]}`, grpc.Header(&header))
	if err == nil {
		x.check("typed batch", "usage", header.Get(keyVersion)[0], strings.Split(batch, `{"record":`)[1:])
	}
	return err
}

func (x *stage) genericBatch(ctx context.Context, c holdfastv1.LookupClient, name dataset.Name, version string) error {
	in := &holdfastv1.BatchGetRequest{Dataset: string(name), Version: version}
	for i := range mixRecords {
		in.Keys = append(in.Keys, &holdfastv1.Key{Values: []string{fmt.Sprint("R", i)}})
	}
	out, err := c.BatchGet(ctx, in)
	if err != nil {
		return err
	}
	if version != "" && out.GetVersion() != version {
		x.t.Errorf("version %s is read as %s", version, out.GetVersion())
	}
	var got []string
	for _, r := range out.GetResults() {
		got = append(got, r.GetRecord().GetJson())
	}
	x.check("generic batch", name, out.GetVersion(), got)
	return nil
}

// inSession reads two datasets in a session, twice and by every way: each stays
// at the version that the session has of it.
func (x *stage) inSession(ctx context.Context, c *client) error {
	sessions, lookup := holdfastv1.NewSessionsClient(c.conn), holdfastv1.NewLookupClient(c.conn)
	session, err := sessions.Open(ctx, &holdfastv1.OpenSessionRequest{Datasets: datasets("usage", "other")})
	if err != nil {
		return err
	}
	ctx = in(ctx, session.GetId())
	for range 2 {
		for _, d := range session.GetDatasets() {
			var header metadata.MD
			stream, err := lookup.List(ctx, &holdfastv1.ListRequest{Dataset: d.GetDataset()}, grpc.Header(&header))
			if err != nil {
				return err
			}
			got, err := rest(stream)
			if err != nil {
				return err
			}
			if at := header.Get(keyVersion)[0]; at != d.GetVersion() {
				x.t.Errorf("version %s of %s in a session that has %s", at, d.GetDataset(), d.GetVersion())
			}
			x.check("list in a session", dataset.Name(d.GetDataset()), d.GetVersion(), got)
			if err := x.genericBatch(ctx, lookup, dataset.Name(d.GetDataset()), d.GetVersion()); err != nil {
				return err
			}
		}
		if err := x.typedBatch(ctx, c); err != nil {
			return err
		}
	}
	_, err = sessions.Close(ctx, &holdfastv1.CloseSessionRequest{Id: session.GetId()})
	return err
}

// rest reads what is left of a generic list.
func rest(stream grpc.ServerStreamingClient[holdfastv1.Record]) (got []string, err error) {
	for {
		r, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return got, nil
		}
		if err != nil {
			return got, err
		}
		got = append(got, r.GetJson())
	}
}

// beginList reads one record of a list, typed or generic in turn, and returns
// the version that is read; finish reads the rest.
func (x *stage) beginList(c *client, lookup holdfastv1.LookupClient, turn int) (version string, finish func()) {
	x.t.Helper()
	if turn%2 == 0 {
		return x.beginTyped(c)
	}
	stream, err := lookup.List(x.t.Context(), &holdfastv1.ListRequest{Dataset: "usage"})
	if err != nil {
		x.t.Fatal(err)
	}
	first, err := stream.Recv()
	if err != nil {
		x.t.Fatal(err)
	}
	header, err := stream.Header()
	if err != nil {
		x.t.Fatal(err)
	}
	version = header.Get(keyVersion)[0]
	return version, func() {
		got, err := rest(stream)
		if err != nil {
			x.t.Error(err)
		}
		x.check("generic list", "usage", version, append(got, first.GetJson()))
	}
}

func (x *stage) beginTyped(c *client) (version string, finish func()) {
	x.t.Helper()
	m := c.service.Methods().ByName("ListUsage")
	stream, err := c.conn.NewStream(x.t.Context(), &grpc.StreamDesc{ServerStreams: true}, "/"+string(c.service.FullName())+"/ListUsage")
	if err == nil {
		err = errors.Join(stream.SendMsg(dynamicpb.NewMessage(m.Input())), stream.CloseSend())
	}
	if err != nil {
		x.t.Fatal(err)
	}
	var got []string
	next := func() error {
		msg := dynamicpb.NewMessage(m.Output())
		err := stream.RecvMsg(msg)
		if err == nil {
			got = append(got, compact(msg))
		}
		return err
	}
	if err := next(); err != nil {
		x.t.Fatal(err)
	}
	header, err := stream.Header()
	if err != nil {
		x.t.Fatal(err)
	}
	version = header.Get(keyVersion)[0]
	return version, func() {
		for err = nil; err == nil; {
			err = next()
		}
		if !errors.Is(err, io.EOF) {
			x.t.Error(err)
		}
		x.check("typed list", "usage", version, got)
	}
}
