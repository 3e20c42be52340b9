package faults

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/holdfast-data/holdfast/pkg/announce/announcetest"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/blob/blobtest"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/state/protomap"
	holdfastv1 "github.com/holdfast-data/holdfast/proto/holdfast/v1"
	"github.com/holdfast-data/holdfast/sidecar"
)

const (
	poll         = 5 * time.Second
	maxStaleness = 6 * time.Second  // of the policies mark and refuse; slow looks exceed it
	asks         = 5                // look-ups in a row
	callTime     = 20 * time.Second // of a call
	recovery     = 5 * time.Minute  // of fair weather, until all is well
)

// policies are the sidecars', in turn.
var policies = [sidecars]string{sidecar.PolicyServe, sidecar.PolicyMark, sidecar.PolicyRefuse}

// fleet is whole sidecars, with a cache each, which hear of news by gossip. They
// are asked through gRPC only. Connections and gossip are in memory, so that
// their time is virtual, too.
type fleet struct {
	s       *Scenario
	dir     string // of the caches
	network announcetest.Network
	service protoreflect.ServiceDescriptor
	faults  atomic.Int64 // between sidecars and the store
	all     [sidecars]*follower
	joined  []string // gossip addresses, of all that ever ran
}

// follower is one sidecar and its client.
type follower struct {
	stop     context.CancelFunc
	done     chan error
	conn     *grpc.ClientConn
	store    blob.Store // the one of all its lives
	sessions []*session
	served   map[bool]bool // typed or not → it has answered at the newest version
}

// NewSidecars returns the scenario of a seed with whole sidecars, whose caches
// are in folders of dir. One of its producers claims the log. It must be closed.
func NewSidecars(ctx context.Context, seed uint64, dir string) (*Scenario, error) {
	s, err := newScenario(ctx, seed)
	if err != nil {
		return nil, err
	}
	s.claims, s.nap = true, 20*time.Minute
	file, err := protomap.Redeclare(s.mapping, items)
	if err != nil {
		return nil, err
	}
	f := &fleet{s: s, dir: dir, service: file.Services().Get(0)}
	s.followers = f
	for i := range f.all {
		// Each has its own randomness, because they run side by side.
		random := rand.New(rand.NewPCG(seed, uint64(i)+1))
		f.all[i] = &follower{store: blobtest.NewFaulty(s.memory, func(op blobtest.Op) blobtest.Fault {
			w := weather(s.weather.Load())
			fault := w.decide(op, random.IntN(100), kinds[random.IntN(len(kinds))])
			if fault == blobtest.None && w >= mute {
				fault = blobtest.Slow // such a day concerns writers; of readers it makes looks long
			}
			if fault != blobtest.None {
				f.faults.Add(1)
			}
			return fault
		})}
		if err := f.start(i); err != nil {
			return nil, errors.Join(err, f.close())
		}
	}
	return s, nil
}

func (f *fleet) cache(i int) string { return filepath.Join(f.dir, fmt.Sprint("cache", i)) }

// start starts a sidecar, and a client of it.
func (f *fleet) start(i int) error {
	cfg := sidecar.DefaultConfig()
	cfg.Listen, cfg.Admin, cfg.Cache.Dir, cfg.Poll = "memory:0", "", f.cache(i), poll
	cfg.Gossip.Cluster, cfg.Gossip.Join = "faults", f.joined
	d := sidecar.DatasetConfig{Name: items, Store: "s3://memory"} // the name of a store in World
	d.SetDefaults()
	if d.Policy = policies[i]; d.Policy != sidecar.PolicyServe {
		d.MaxStaleness = maxStaleness
	}
	cfg.Datasets = []sidecar.DatasetConfig{d}
	x := f.all[i]
	listener := bufconn.Listen(1 << 16)
	transport, address := f.network.Host()
	f.joined = append(f.joined, address)
	side, err := sidecar.Open(context.Background(), cfg, sidecar.Options{
		Logger: slog.New(slog.DiscardHandler), GossipName: address, World: &sidecar.World{
			Store:  func(context.Context, string) (blob.Store, error) { return x.store, nil },
			Listen: func(string) (net.Listener, error) { return listener, nil },
			Gossip: transport,
		},
	})
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	x.stop, x.done = stop, make(chan error, 1)
	go func() { x.done <- side.Run(ctx) }()
	x.conn, err = grpc.NewClient("passthrough:///memory", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	x.served = map[bool]bool{}
	return err
}

// end ends a sidecar.
func (f *fleet) end(i int) error {
	x := f.all[i]
	if x == nil || x.stop == nil {
		return nil
	}
	x.stop()
	err := <-x.done
	if x.conn != nil {
		err = errors.Join(err, x.conn.Close())
	}
	x.stop = nil
	if err != nil {
		return fmt.Errorf("sidecar %d ended: %w", i, err)
	}
	return nil
}

func (f *fleet) close() error {
	var errs []error
	for i := range f.all {
		errs = append(errs, f.end(i))
	}
	time.Sleep(poll) // memberlist does not wait for a probe under way
	f.s.Counts.Faults += int(f.faults.Swap(0))
	return errors.Join(errs...)
}

// restart ends a sidecar and starts another one with its cache, which may be
// damaged or lost.
func (f *fleet) restart(i int) error {
	if err := f.end(i); err != nil {
		return err
	}
	f.s.truth.forget(i)
	f.all[i].sessions = nil
	switch f.s.random.IntN(4) {
	case 0:
		if err := f.harm(i); err != nil {
			return err
		}
	case 1:
		if err := os.RemoveAll(f.cache(i)); err != nil {
			return err
		}
	}
	return f.start(i)
}

// harm changes a byte of one file of a cache, or cuts it.
func (f *fleet) harm(i int) error {
	var files []string
	err := filepath.WalkDir(f.cache(i), func(name string, e os.DirEntry, err error) error {
		// What marks the folder as a cache is not its content.
		if err == nil && !e.IsDir() && strings.Contains(name, string(items)) {
			files = append(files, name)
		}
		return err
	})
	if err != nil || len(files) == 0 {
		return err
	}
	name := files[f.s.random.IntN(len(files))]
	b, err := os.ReadFile(name)
	if err != nil || len(b) == 0 {
		return err
	}
	f.s.Counts.Harmed++
	at := f.s.random.IntN(len(b))
	if b[at] ^= 1; f.s.random.IntN(2) == 0 {
		b = b[:at]
	}
	return os.WriteFile(name, b, 0o600)
}

// read lets some time pass, and asks a sidecar something.
func (f *fleet) read(ctx context.Context, i int) error {
	if f.s.random.IntN(2) == 0 {
		time.Sleep(f.time(3 * poll))
	}
	switch n := f.s.random.IntN(10); {
	case n == 0:
		return f.openSession(ctx, i)
	case n == 1:
		return f.touchSession(ctx, i)
	}
	for range asks {
		a := f.ask(ctx, f.want(i))
		if err := errors.Join(f.s.truth.look(ctx), f.judge(a)); err != nil {
			return err
		}
	}
	return nil
}

func (f *fleet) time(most time.Duration) time.Duration {
	return time.Duration(f.s.random.Int64N(int64(most)))
}

// during asks a sidecar while a producer publishes.
func (f *fleet) during(ctx context.Context) func() error {
	if f.s.random.IntN(2) == 0 {
		return func() error { return nil }
	}
	w, answered := f.want(f.s.random.IntN(sidecars)), make(chan answer, 1)
	go func() { answered <- f.ask(ctx, w) }()
	return func() error {
		a := <-answered
		if err := f.s.truth.look(ctx); err != nil {
			return err
		}
		return f.judge(a)
	}
}

// settled waits for fair weather to have its effect.
func (f *fleet) settled(ctx context.Context, i int) error {
	if i == 0 {
		time.Sleep(recovery)
	}
	if err := f.s.truth.look(ctx); err != nil { // the last step may have released the log
		return err
	}
	v, d := f.s.truth.fold.Effective()
	short, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	all, err := holdfastv1.NewLookupClient(f.all[i].conn).Status(short, &holdfastv1.StatusRequest{})
	if err != nil {
		return fmt.Errorf("status of sidecar %d: %w", i, err)
	}
	status := all.GetDatasets()[0]
	if v != dataset.None && (!status.GetReady() || status.GetState() != "ready" || status.GetVersion() != v.String()) {
		return fmt.Errorf("sidecar %d does not recover to %s: %v", i, v, status)
	}
	for _, typed := range []bool{false, true} {
		for how := range ways {
			a := f.ask(ctx, want{sidecar: i, typed: typed, how: how, maxAge: -1})
			if err := f.judge(a); err != nil {
				return err
			}
			if v != dataset.None && (a.err != nil || f.s.truth.manifests[a.version] != d) {
				return fmt.Errorf("sidecar %d, settled: %s, %w; %s is effective", i, a.version, a.err, v)
			}
		}
	}
	return nil
}

var _ followers = (*fleet)(nil)
