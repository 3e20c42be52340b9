package sidecar

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

// TestListedVersions begins lists at more versions than may be listed and reads
// none: those of the oldest end, and let it go, and the others are whole.
func TestListedVersions(t *testing.T) {
	for k, method := range map[kind]string{kindList: "ListUsage", kindGenericList: "List"} {
		t.Run(method, func(t *testing.T) { listVersions(t, k, method) })
	}
}

// wide returns n records that are too large together to be on the way to a
// client that reads none.
func wide(n, x int) (out []string) {
	for i := range n {
		out = append(out, fmt.Sprintf(`{"region":"R%d","total":"%d","shares":[{"browser":"%s"}]}`, i, x, strings.Repeat("x", 300)))
	}
	return out
}

func listVersions(t *testing.T, k kind, method string) {
	const records = 3000
	store := newStore(t)
	p := newProducer(t, store, "usage", usageProto)
	first := p.publish(wide(records, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Limits.MaxListedVersions, cfg.Limits.MaxVersions = 2, 2
	cfg.Limits.MaxStall = time.Hour // it is not by that that a list ends
	s := start(t, cfg)
	untilReady(t, s)
	letGo := watchView(t, s.Replica("usage"))
	c := newClient(t, s, "usage")
	c.conn = dial(t, s.Addr(), grpc.WithStaticStreamWindowSize(64<<10))
	versions := func(n int) {
		t.Helper()
		until(t, fmt.Sprint("versions that are listed: ", n), func() bool {
			_, text := fetch(t, s, "/metrics")
			return metric(t, text, `holdfast_listed_versions{dataset="usage"}`) == float64(n)
		})
	}
	oldest := c.begin(method, dataset.None)
	versions(1)
	untilVersion(t, s, "usage", p.publish(wide(records, 2)...))
	second := c.begin(method, dataset.None)
	versions(2)
	again := c.begin(method, dataset.None) // the same version is not counted twice
	until(t, "lists", func() bool { return s.gate.calls.now.Load() == 3 })
	untilVersion(t, s, "usage", p.publish(wide(records, 3)...))
	newest := c.begin(method, dataset.None)
	within(t, 5*time.Second, "the end of the oldest", func() bool {
		return s.routes.Load().datasets["usage"].stats.calls(k)[codes.ResourceExhausted] == 1
	})
	letGo()
	n, err := oldest()
	fails(t, "the oldest", err, codes.ResourceExhausted, "TOO_SLOW", "too many versions are being listed: more than 2 of the dataset")
	fails(t, "the oldest", err, codes.ResourceExhausted, "TOO_SLOW", "limits.max_listed_versions")
	if n == 0 || n >= records {
		t.Errorf("%d records before the error", n)
	}
	n, err = c.begin(method, first)()
	fails(t, "an old version", err, codes.ResourceExhausted, "TOO_SLOW", "limits.max_listed_versions")
	if n != 0 {
		t.Errorf("%d records of an old version", n)
	}
	versions(2)
	for what, rest := range map[string]func() (int, error){"second": second, "again": again, "newest": newest} {
		if n, err := rest(); n != records || err != nil {
			t.Errorf("%s: %d records, %v", what, n, err)
		}
	}
	versions(0)
	if n, err := c.begin(method, first)(); n != records || err != nil {
		t.Errorf("an old version, when there is room: %d records, %v", n, err)
	}
	versions(0)
}

// begin begins a list of usage, typed or generic, at a version, or at the newest
// one, and returns what counts the rest of its records.
func (c *client) begin(method string, v dataset.Version) (rest func() (int, error)) {
	c.t.Helper()
	ctx := c.t.Context()
	if v != dataset.None {
		ctx = metadata.AppendToOutgoingContext(ctx, keyVersion, v.String())
	}
	path := "/" + string(c.service.FullName()) + "/" + method
	in, out := any(nil), any(new(holdfastv1.Record))
	if m := c.service.Methods().ByName("ListUsage"); string(m.Name()) == method {
		in, out = dynamicpb.NewMessage(m.Input()), dynamicpb.NewMessage(m.Output())
	} else {
		in, path = &holdfastv1.ListRequest{Dataset: "usage"}, holdfastv1.Lookup_List_FullMethodName
	}
	stream, err := c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, path)
	if err == nil {
		err = errors.Join(stream.SendMsg(in), stream.CloseSend())
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return func() (n int, err error) {
		for ; err == nil; n++ {
			err = stream.RecvMsg(out)
		}
		if errors.Is(err, io.EOF) {
			err = nil
		}
		return n - 1, err
	}
}

func viewAt(v dataset.Version) *replica.View {
	return &replica.View{Manifest: &blob.Manifest{Version: v}}
}

// isOver says whether the lists of a version have to end.
func (x *listing) isOver() bool {
	select {
	case <-x.over:
		return true
	default:
		return false
	}
}

// TestListedOrder has lists come at versions in any order: the oldest version
// ends, and one that is loaded again counts as another.
func TestListedOrder(t *testing.T) {
	l := newListed(3)
	enter := func(view *replica.View) *listing {
		t.Helper()
		x, err := l.enter(view, nil)
		if err != nil {
			t.Fatalf("version %s: %v", view.Version(), err)
		}
		return x
	}
	seven := viewAt(7)
	x7, x5, again, x5loaded := enter(seven), enter(viewAt(5)), enter(seven), enter(viewAt(5))
	if x7 != again || x5 == x5loaded || l.count() != 3 {
		t.Fatalf("%d versions", l.count())
	}
	if _, err := l.enter(viewAt(4), nil); !errors.Is(err, errListed) || x5.isOver() {
		t.Errorf("an older one than all: %v", err)
	}
	x6 := enter(viewAt(6))
	if !x5.isOver() || x5loaded.isOver() {
		t.Error("not the oldest list of version 5 ended")
	}
	l.leave(x5)
	l.leave(x7)
	if l.count() != 3 {
		t.Errorf("%d versions, of one of which a list is left", l.count())
	}
	l.leave(again)
	x4 := enter(viewAt(4)) // there is room again
	for _, x := range []*listing{x6, x5loaded, x4} {
		if x.isOver() {
			t.Errorf("version %s is over", x.view.Version())
		}
		l.leave(x)
	}
	if l.count() != 0 {
		t.Errorf("%d versions in the end", l.count())
	}
}

// TestListedCurrent has the current version be an old one, as a pin makes it: its
// lists go on, and those of the oldest of the others end.
func TestListedCurrent(t *testing.T) {
	l, current := newListed(2), viewAt(3)
	var all []*listing
	for _, view := range []*replica.View{viewAt(7), viewAt(8), current} {
		x, err := l.enter(view, current)
		if err != nil {
			t.Fatalf("version %s: %v", view.Version(), err)
		}
		all = append(all, x)
	}
	if !all[0].isOver() || all[1].isOver() || all[2].isOver() || l.count() != 2 {
		t.Errorf("over are %v, %v and %v of %d versions", all[0].isOver(), all[1].isOver(), all[2].isOver(), l.count())
	}
	if x, err := newListed(1).enter(current, current); err != nil || x.isOver() {
		t.Errorf("alone: %v", err)
	}
	if _, err := l.enter(viewAt(5), current); !errors.Is(err, errListed) {
		t.Errorf("older than all but the current one: %v", err)
	}
}

// TestListedAtOnce has many lists come and go at once.
func TestListedAtOnce(t *testing.T) {
	const most = 4
	l := newListed(most)
	var views []*replica.View
	for v := range 10 {
		views = append(views, viewAt(dataset.Version(v+1)))
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 1000 {
				x, err := l.enter(views[(n*(i+1))%len(views)], nil)
				if l.count() > most {
					t.Errorf("%d versions", l.count())
				}
				if err == nil {
					l.leave(x)
				}
			}
		})
	}
	all.Wait()
	if l.count() != 0 {
		t.Errorf("%d versions in the end", l.count())
	}
}

// TestListedAfterReload reloads by declarations that make a new replica, again and
// again, each with a list of the one before that is not read: they count together.
func TestListedAfterReload(t *testing.T) {
	store := newStore(t)
	p := newProducer(t, store, "usage", usageProto)
	at := p.publish(usage(20_000, 1)...)
	cfg := testConfig(store, "usage")
	cfg.Limits.MaxListedVersions = 2
	s := start(t, cfg)
	untilVersion(t, s, "usage", at)
	lookup := holdfastv1.NewLookupClient(dial(t, s.Addr(), grpc.WithStaticStreamWindowSize(64<<10)))
	for i := range 4 {
		if _, err := lookup.List(t.Context(), &holdfastv1.ListRequest{Dataset: "usage"}); err != nil {
			t.Fatal(err)
		}
		until(t, "a list more", func() bool {
			_, text := fetch(t, s, "/metrics")
			return metric(t, text, `holdfast_listed_versions{dataset="usage"}`) == float64(min(i+1, 2))
		})
		before := s.Replica("usage")
		cfg.Datasets[0].Fallback = []string{FallbackWait, FallbackSnapshot}[i%2]
		if err := s.Reload(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		until(t, "the new declaration", func() bool { return s.Replica("usage") != before })
	}
	until(t, "the end of the first lists", func() bool { return s.gate.calls.now.Load() == 2 })
}
