package sidecar

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"

	"github.com/holdfast-data/holdfast/internal/daemon"
	"github.com/holdfast-data/holdfast/pkg/announce"
	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
	"github.com/holdfast-data/holdfast/pkg/replica"
)

// stopTimeout is how long calls under way may take when a Sidecar stops.
const stopTimeout = 10 * time.Second

// Options are what a Sidecar takes from the program around it.
type Options struct {
	// Logger gets what an operator should know; nil means slog's default.
	Logger *slog.Logger
	// Registry gets the metrics, until the sidecar is closed; nil means one of
	// its own, with those of the process. Two sidecars cannot share one.
	Registry *prometheus.Registry
	// Now returns the time that ages are measured with; nil means time.Now.
	Now func() time.Time
	// GossipName is the name among the members of the cluster; empty means the
	// default of announce.GossipConfig.Name.
	GossipName string
	// World, if not nil, takes the place of what lies around the process, for
	// tests.
	World *World
}

// World is what a Sidecar is connected to; a nil field means the real thing.
type World struct {
	// Store opens the store at a location.
	Store func(ctx context.Context, location string) (blob.Store, error)
	// Listen listens on Config.Listen. The Sidecar closes what it returns.
	Listen func(address string) (net.Listener, error)
	// Gossip carries gossip.
	Gossip announce.Transport
}

// Sidecar serves datasets. Make one with Open; any number can be in a process.
// It is safe for concurrent use.
type Sidecar struct {
	cfg     Config
	options Options
	log     *slog.Logger
	started time.Time
	opening sync.Mutex // guards stores
	stores  map[string]blob.Store

	reloading  sync.Mutex     // guards changes of the fields below; taken before routing
	declared   declarations   // what the configuration declares, perhaps not loaded yet
	run        func(*served)  // nil unless the sidecar runs
	running    chan struct{}  // closed once it does
	generation atomic.Int64   // of the declarations
	cache      *replica.Cache // nil if there is none
	cacheLock  *os.File       // of its folder; nil if there is none

	callers  *callers
	gate     *gate
	sessions *replica.Sessions
	fetches  *replica.Fetches

	routes  atomic.Pointer[routes]
	routing sync.Mutex // one change of routes at a time
	panics  atomic.Uint64

	server    *grpc.Server
	health    *health.Server
	admin     *daemon.Admin
	metrics   prometheus.Collector
	gossip    *announce.Gossip // nil if it is off
	listeners []net.Listener   // of server
	adminAddr net.Listener     // nil if there is no admin
	close     func() error
}

// Open opens the stores and listens. It fails with ErrConfig, daemon.ErrInUse,
// ErrCacheInUse and the errors of stores and gossip. Nothing is loaded or answered before
// Run; a Sidecar that does not run must be closed.
func Open(ctx context.Context, cfg Config, options Options) (*Sidecar, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	if options.Now == nil {
		options.Now = time.Now
	}
	if options.World == nil {
		options.World = &World{}
	}
	if options.Registry == nil {
		options.Registry = daemon.NewRegistry()
	}
	s := &Sidecar{cfg: cfg, options: options, log: options.Logger, started: options.Now(), stores: map[string]blob.Store{}, running: make(chan struct{})}
	s.callers, s.gate = newCallers(cfg.Limits), newGate(cfg.Limits)
	s.fetches = replica.NewFetches(cfg.Limits.MaxLoads)
	s.sessions = replica.NewSessions(replica.SessionLimits{
		Count: cfg.Sessions.MaxCount, PerOwner: cfg.Sessions.MaxPerCaller, Lease: cfg.Sessions.MaxLease, Bytes: cfg.Sessions.MaxBytes,
	}, s.currentView, s.started)
	s.close = sync.OnceValue(s.shutdown)
	if err := s.openCache(); err != nil {
		return nil, fmt.Errorf("open sidecar: %w", err)
	}
	if err := s.open(ctx); err != nil {
		s.unlockCache()
		return nil, fmt.Errorf("open sidecar: %w", err)
	}
	s.server, s.health = s.newServer()
	s.metrics = newCollector(s)
	if err := options.Registry.Register(s.metrics); err != nil {
		s.unlockCache()
		return nil, fmt.Errorf("open sidecar: register metrics: %w", err)
	}
	if err := s.listen(); err != nil {
		return nil, errors.Join(fmt.Errorf("open sidecar: %w", err), s.Close())
	}
	s.admin = s.newAdmin()
	s.updateHealth(s.routes.Load())
	s.generation.Store(1)
	return s, nil
}

func (s *Sidecar) listen() error {
	add := func(l net.Listener, err error) error {
		if err == nil {
			s.listeners = append(s.listeners, limitListener(l, s.cfg.Limits.MaxConnections))
		}
		return err
	}
	if s.cfg.Listen != "" {
		listen := s.options.World.Listen
		if listen == nil {
			listen = func(address string) (net.Listener, error) { return daemon.ListenTCP(address, "listen") }
		}
		if err := add(listen(s.cfg.Listen)); err != nil {
			return err
		}
	}
	if s.cfg.Socket != "" {
		if err := add(daemon.ListenUnix(s.cfg.Socket)); err != nil {
			return err
		}
	}
	if s.cfg.Admin != "" {
		l, err := daemon.ListenTCP(s.cfg.Admin, "admin")
		if err != nil {
			return err
		}
		s.adminAddr = limitListener(callerListener{l, s.callers}, s.cfg.Limits.MaxConnections)
	}
	if s.cfg.Gossip.Cluster == "" {
		return nil
	}
	g, err := announce.NewGossip(announce.GossipConfig{
		Cluster: s.cfg.Gossip.Cluster, KeyFile: s.cfg.Gossip.KeyFile, Join: s.cfg.Gossip.Join, Bind: s.cfg.Gossip.Bind,
		Name: s.options.GossipName, Logger: s.log, OnHint: s.hint, Transport: s.options.World.Gossip,
	})
	s.gossip = g
	return err
}

// hint passes on what gossip says; the replica looks for itself.
func (s *Sidecar) hint(h announce.Hint) {
	if d := s.routes.Load().datasets[h.Dataset]; d != nil {
		d.replica.Hint(h)
	}
}

// Addr returns the gRPC address: host:port, or unix:PATH if there is only a
// socket.
func (s *Sidecar) Addr() string {
	if s.cfg.Listen == "" {
		return "unix:" + s.cfg.Socket
	}
	return s.listeners[0].Addr().String()
}

// AdminAddr returns the address of the admin server, empty if there is none.
func (s *Sidecar) AdminAddr() string {
	if s.adminAddr == nil {
		return ""
	}
	return s.adminAddr.Addr().String()
}

// GossipAddr returns the address that others can join, empty if gossip is off.
func (s *Sidecar) GossipAddr() string {
	if s.gossip == nil {
		return ""
	}
	return s.gossip.Addr()
}

// Replica returns the replica of a dataset, nil if it is not served.
func (s *Sidecar) Replica(name dataset.Name) *replica.Replica {
	if d := s.routes.Load().datasets[name]; d != nil {
		return d.replica
	}
	return nil
}

// Running returns a channel that is closed once Run was called: Reload is of use
// from then on.
func (s *Sidecar) Running() <-chan struct{} { return s.running }

// Run loads and serves until ctx ends, waits for the calls under way, and
// returns nil; or it returns why it cannot serve. The Sidecar is closed then.
func (s *Sidecar) Run(ctx context.Context) error {
	// Replicas outlive ctx, so that calls under way see what they need.
	group, follow := errgroup.WithContext(context.WithoutCancel(ctx))
	follow, stop := context.WithCancel(follow)
	defer stop()
	quiet := func(f func() error) {
		group.Go(func() error {
			if err := f(); !errors.Is(err, context.Canceled) {
				return err
			}
			return nil
		})
	}
	run := func(d *served) {
		own, end := context.WithCancel(follow)
		d.end = end
		quiet(func() error { return d.replica.Run(own) })
		quiet(func() error { return s.watch(own, d.declared.Name, d.replica) })
		quiet(func() error { return s.takeOver(own, d) })
	}
	for _, d := range s.routes.Load().datasets {
		run(d)
	}
	s.runWith(run)
	close(s.running)
	if s.cfg.follow != "" {
		quiet(func() error { return s.follow(follow, run) })
	}
	quiet(func() error {
		return every(follow, s.cfg.Poll, func() { s.updateHealth(s.routes.Load()) })
	})
	quiet(func() error { return every(follow, sweepPause(s.cfg.Limits.MaxStall), s.sweep) })
	for _, l := range s.listeners {
		group.Go(func() error {
			err := s.server.Serve(l)
			if errors.Is(err, grpc.ErrServerStopped) && ctx.Err() != nil {
				return nil // it was to stop before it began
			}
			return err
		})
	}
	if s.adminAddr != nil {
		group.Go(func() error { return s.admin.Serve(s.adminAddr) })
	}
	group.Go(func() error {
		select {
		case <-ctx.Done():
		case <-follow.Done(): // something failed
		}
		s.runWith(nil)
		defer stop()
		return s.Close()
	})
	return group.Wait()
}

// runWith sets what runs datasets that are declared later; nil refuses them.
func (s *Sidecar) runWith(run func(*served)) {
	s.reloading.Lock()
	defer s.reloading.Unlock()
	s.run = run
}

// sweepPause is the time between two sweeps.
func sweepPause(stall time.Duration) time.Duration {
	return min(max(stall/4, time.Millisecond), time.Second)
}

// sweep lets go of what nobody uses any more.
func (s *Sidecar) sweep() {
	s.sessions.Expire(s.options.Now())
	if n := s.callers.sweep(time.Now()); n > 0 {
		s.log.Warn("closed connections that did not read their answers", "connections", n)
	}
}

// Close stops listening, after the calls under way. Run does it by itself.
func (s *Sidecar) Close() error { return s.close() }

func (s *Sidecar) shutdown() error {
	var errs []error
	s.health.Shutdown() // callers look for another one
	if !daemon.StopGracefully(stopTimeout, s.server.GracefulStop, s.server.Stop) {
		s.log.Warn("calls under way took too long and were dropped", "timeout", stopTimeout)
	}
	for _, l := range s.listeners {
		l.Close() // those that Serve never had
	}
	if s.admin != nil {
		ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		errs = append(errs, s.admin.Shutdown(ctx))
	}
	if s.adminAddr != nil {
		s.adminAddr.Close() // the same
	}
	if s.gossip != nil {
		errs = append(errs, s.gossip.Close())
	}
	s.options.Registry.Unregister(s.metrics)
	s.unlockCache()
	return errors.Join(errs...)
}
