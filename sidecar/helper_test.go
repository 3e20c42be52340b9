package sidecar

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bufbuild/protocompile"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"

	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/cycle"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
)

func TestMain(m *testing.M) {
	if file := os.Getenv(processVariable); file != "" {
		runProcess(file)
	}
	goleak.VerifyTestMain(m)
}

// The usage dataset, and what its owner makes of it later.
const usageProto = `
syntax = "proto3";
package owner;
import "holdfast/v1/options.proto";
message Usage {
  option (holdfast.v1.dataset) = {key: ["region"]};
  string region = 1;
  repeated Share shares = 2;
  int64 total = 3;
}
message Share { string browser = 1; double percent = 2; }
`

const usageProto2 = `
syntax = "proto3";
package owner;
import "holdfast/v1/options.proto";
message Usage {
  option (holdfast.v1.dataset) = {key: ["region"]};
  string region = 1;
  repeated Share shares = 2;
  int64 total = 3;
  string continent = 4;
}
message Share { string browser = 1; double percent = 2; }
`

// producer makes versions of one dataset in a store.
type producer struct {
	t       testing.TB
	store   *blob.Dir
	name    dataset.Name
	mapping *protomap.Mapping
}

func newStore(t testing.TB) *blob.Dir {
	t.Helper()
	store, err := blob.CreateDir(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func newProducer(t testing.TB, store *blob.Dir, name dataset.Name, proto string) *producer {
	t.Helper()
	return &producer{t: t, store: store, name: name, mapping: compile(t, proto)}
}

func compile(t testing.TB, proto string) *protomap.Mapping {
	t.Helper()
	m, err := protomap.Compile(t.Context(), "d.proto", func(path string) ([]byte, error) {
		if path != "d.proto" {
			return nil, fmt.Errorf("no file %s", path)
		}
		return []byte(proto), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// publish makes a version of records that are JSON texts.
func (p *producer) publish(records ...string) dataset.Version {
	p.t.Helper()
	return p.publishWith(func(m *protomap.Mapping, sink protomap.Sink) error {
		for _, text := range records {
			msg, err := m.ParseJSON([]byte(text))
			if err != nil {
				return err
			}
			if _, err := m.Add(sink, msg); err != nil {
				return err
			}
		}
		return nil
	})
}

// publishWith makes a version of the records that fill adds.
func (p *producer) publishWith(fill func(*protomap.Mapping, protomap.Sink) error) dataset.Version {
	p.t.Helper()
	c, err := cycle.Open(p.t.Context(), cycle.Config{
		Dataset: p.name, Store: p.store, Mapping: p.mapping, Author: announce.Author{Name: "test"},
		SnapshotEvery: 2, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		p.t.Fatal(err)
	}
	result, err := c.Run(p.t.Context(), dataset.Lineage{}, func(sink protomap.Sink) error { return fill(p.mapping, sink) })
	if err != nil {
		p.t.Fatal(err)
	}
	return result.Version
}

// usage returns n records whose total is x.
func usage(n int, x int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf(`{"region":"R%d","total":"%d","shares":[{"browser":"b","percent":%d.5}]}`, i, x, x))
	}
	return out
}

// lines is a logger's output that a test can read.
type lines struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// testConfig serves datasets of a store on free ports.
func testConfig(store *blob.Dir, names ...dataset.Name) Config {
	c := DefaultConfig()
	c.Listen, c.Admin, c.Gossip.Bind = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	c.Poll = 20 * time.Millisecond
	for _, name := range names {
		d := DatasetConfig{Name: name, Store: store.Root()}
		d.SetDefaults()
		c.Datasets = append(c.Datasets, d)
	}
	return c
}

// start runs a sidecar until the test ends.
func start(t testing.TB, cfg Config) *Sidecar {
	t.Helper()
	return startWith(t, cfg, Options{})
}

// startWith is start with options. Without a logger, what is logged is shown if the
// test fails.
func startWith(t testing.TB, cfg Config, options Options) *Sidecar {
	t.Helper()
	log := new(lines)
	if options.Logger == nil {
		options.Logger = slog.New(slog.NewTextHandler(log, nil))
	}
	s, err := Open(t.Context(), cfg, options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Errorf("run: %v", err)
		}
		if t.Failed() {
			t.Logf("log:\n%s", log)
		}
	})
	return s
}

// until polls a real process's state; it fails the test after a while.
func until(t testing.TB, what string, f func() bool) {
	t.Helper()
	within(t, 10*time.Second, what, f)
}

// within is until with a deadline of its own.
func within(t testing.TB, most time.Duration, what string, f func() bool) {
	t.Helper()
	end := time.Now().Add(most)
	for !f() {
		if time.Now().After(end) {
			t.Fatalf("waited %s in vain for: %s", most, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// serving returns a sidecar that serves 20 records of usage.
func serving(t testing.TB) *Sidecar {
	t.Helper()
	store := newStore(t)
	newProducer(t, store, "usage", usageProto).publish(usage(20, 1)...)
	s := start(t, testConfig(store, "usage"))
	untilReady(t, s)
	return s
}

func untilReady(t testing.TB, s *Sidecar) {
	t.Helper()
	until(t, "ready", func() bool { return s.Ready() == nil })
}

func untilVersion(t testing.TB, s *Sidecar, name dataset.Name, v dataset.Version) {
	t.Helper()
	until(t, "version "+v.String(), func() bool {
		r := s.Replica(name)
		return r != nil && r.Current() != nil && r.Current().Version() == v && s.Ready() == nil
	})
}

// watchView returns what waits until nobody keeps the version in memory that is
// current now.
func watchView(t testing.TB, r *replica.Replica) (letGo func()) {
	t.Helper()
	gone := make(chan struct{})
	runtime.SetFinalizer(r.Current(), func(*replica.View) { close(gone) })
	return func() {
		t.Helper()
		until(t, "the old version to be let go", func() bool {
			runtime.GC()
			select {
			case <-gone:
				return true
			default:
				return false
			}
		})
	}
}

func dial(t testing.TB, address string, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient(address, append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// client calls a typed service as a program does that has only the .proto that
// the sidecar hands out.
type client struct {
	t       testing.TB
	conn    *grpc.ClientConn
	service protoreflect.ServiceDescriptor
}

func newClient(t testing.TB, s *Sidecar, name string) *client {
	t.Helper()
	conn := dial(t, s.Addr())
	schema, err := holdfastv1.NewLookupClient(conn).Schema(t.Context(), &holdfastv1.SchemaRequest{Dataset: name})
	if err != nil {
		t.Fatal(err)
	}
	c := protocompile.Compiler{Resolver: protocompile.WithStandardImports(&protocompile.SourceResolver{
		Accessor: protocompile.SourceAccessorFromMap(map[string]string{"x.proto": schema.GetProto()}),
	})}
	files, err := c.Compile(t.Context(), "x.proto")
	if err != nil {
		t.Fatalf("%v in\n%s", err, schema.GetProto())
	}
	return &client{t, conn, files[0].Services().Get(0)}
}

// newClientBeside is newClient for a sidecar whose answers must be too small for
// a schema.
func newClientBeside(t testing.TB, s *Sidecar, store *blob.Dir, name dataset.Name) *client {
	t.Helper()
	other := start(t, testConfig(store, name))
	untilReady(t, other)
	c := newClient(t, other, string(name))
	c.conn = dial(t, s.Addr())
	return c
}

// call calls a unary method with a request in JSON and returns the answer in
// JSON.
func (c *client) call(ctx context.Context, method, request string, options ...grpc.CallOption) (string, error) {
	m := c.service.Methods().ByName(protoreflect.Name(method))
	in, out := dynamicpb.NewMessage(m.Input()), dynamicpb.NewMessage(m.Output())
	if err := protojson.Unmarshal([]byte(request), in); err != nil {
		c.t.Error(err)
		return "", err
	}
	if err := c.conn.Invoke(ctx, "/"+string(c.service.FullName())+"/"+method, in, out, options...); err != nil {
		return "", err
	}
	return compact(out), nil
}

// list calls the server-streaming method.
func (c *client) list(ctx context.Context, method string) ([]string, error) {
	out, _, err := c.listAt(ctx, method)
	return out, err
}

// listAt is list, and returns the version that was read.
func (c *client) listAt(ctx context.Context, method string) (out []string, version string, err error) {
	m := c.service.Methods().ByName(protoreflect.Name(method))
	stream, err := c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/"+string(c.service.FullName())+"/"+method)
	if err != nil {
		return nil, "", err
	}
	if err := stream.SendMsg(dynamicpb.NewMessage(m.Input())); err != nil {
		return nil, "", err
	}
	if err := stream.CloseSend(); err != nil {
		return nil, "", err
	}
	for {
		msg := dynamicpb.NewMessage(m.Output())
		if err := stream.RecvMsg(msg); errors.Is(err, io.EOF) {
			header, err := stream.Header()
			return out, strings.Join(header.Get(keyVersion), ","), err
		} else if err != nil {
			return out, "", err
		}
		out = append(out, compact(msg))
	}
}

func compact(m protoreflect.ProtoMessage) string {
	b, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return err.Error()
	}
	return strings.ReplaceAll(string(b), " ", "")
}

// fetch gets a page of the admin server.
func fetch(t testing.TB, s *Sidecar, path string) (int, string) {
	t.Helper()
	c := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	r, err := c.Get("http://" + s.AdminAddr() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}
