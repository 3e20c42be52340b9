package announce

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"log"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"

	"github.com/holdfast-data/holdfast/pkg/blob"
	"github.com/holdfast-data/holdfast/pkg/dataset"
)

// ErrGossipConfig says that a GossipConfig cannot be used.
var ErrGossipConfig = errors.New("it cannot be used")

const (
	// defaultBind is loopback, where no key is needed.
	defaultBind = "127.0.0.1:7512"
	// gossipInterval is the pause between rounds; an idle round sends
	// nothing.
	gossipInterval = 50 * time.Millisecond
	// rejoinAlone and rejoin are the pauses between attempts to join: the
	// second one heals a cluster that was cut into halves.
	rejoinAlone, rejoin = time.Second, time.Minute
	// leaveTimeout bounds the time to say good-bye.
	leaveTimeout = 500 * time.Millisecond
	// tcpTimeout bounds an attempt to join, and so Close.
	tcpTimeout = 2 * time.Second
)

// GossipConfig is the configuration of a Gossip.
type GossipConfig struct {
	// Cluster names the cluster; required. Members of others are not heard.
	Cluster string
	// Name is unique in the cluster; by default the address that others reach it
	// at, or the host's name and random digits if the port is 0, or Bind any
	// address of the host and Advertise empty.
	Name string
	// Bind is the address to listen on, host:port with an IP address; by
	// default 127.0.0.1:7512. Port 0 takes a free one. Beyond loopback a key
	// is required.
	Bind string
	// Advertise is the address that others reach us at; by default Bind.
	Advertise string
	// KeyFile holds, in base64, the key of 16, 24 or 32 bytes that encrypts
	// gossip; Key is the key itself.
	KeyFile string
	Key     []byte
	// Join are addresses of some members.
	Join []string
	// OnHint is called with hints that are worth a look at the log, from one
	// goroutine and at most once in 100 ms for a dataset. It may be nil.
	OnHint func(Hint)
	// Logger is by default slog's.
	Logger *slog.Logger
	// Transport, if not nil, takes the place of the network, for tests.
	Transport Transport
}

// Transport carries gossip.
type Transport = memberlist.Transport

// Packet is a datagram of gossip.
type Packet = memberlist.Packet

// Gossip spreads hints among the members of a cluster. It passes on only
// hints that its owner has announced or confirmed. Its goroutines end with
// Close.
type Gossip struct {
	config  GossipConfig
	members *memberlist.Memberlist
	queue   *memberlist.TransmitLimitedQueue
	wake    chan struct{} // something waits in the inbox
	stop    chan struct{}
	done    sync.WaitGroup
	close   func() error

	mu    sync.Mutex
	inbox *inbox
}

// NewGossip starts to listen and, in the background, to join. That nobody can
// be joined is no error, then or later.
func NewGossip(config GossipConfig) (*Gossip, error) {
	if config.Logger == nil {
		config.Logger = slog.Default()
	}
	conf, err := config.memberlist()
	if err != nil {
		return nil, fmt.Errorf("start gossip: %w", err)
	}
	g := &Gossip{config: config, inbox: newInbox(), wake: make(chan struct{}, 1), stop: make(chan struct{})}
	// Set before Create, because it may call back at once; NumNodes is asked
	// only after the first announcement, which follows.
	g.queue = &memberlist.TransmitLimitedQueue{RetransmitMult: conf.RetransmitMult, NumNodes: g.Members}
	conf.Delegate = delegate{g}
	if g.members, err = create(conf); err != nil {
		return nil, fmt.Errorf("start gossip: %w", err)
	}
	g.close = sync.OnceValue(g.shutdown)
	g.done.Go(g.deliver)
	if len(config.Join) > 0 {
		g.done.Go(g.join)
	}
	return g, nil
}

// Announce spreads what the caller has itself written to the log, or read
// from it.
func (g *Gossip) Announce(h Hint) {
	g.mu.Lock()
	news := g.inbox.confirm(h)
	g.mu.Unlock()
	if news {
		g.queue.QueueBroadcast(broadcast(h))
	}
}

// Confirm says what a look at the log has found. It is passed on if it is
// news; a received hint that nobody confirms is forgotten.
func (g *Gossip) Confirm(h Hint) { g.Announce(h) }

// Forget forgets what was confirmed of a dataset, because its log is another
// one now, whose positions may be lower. Else hints of it would be taken for old
// until it has grown beyond the one before.
func (g *Gossip) Forget(n dataset.Name) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.inbox.forget(n)
}

// Members returns the number of members that seem to be alive, this one
// included.
func (g *Gossip) Members() int {
	if g.members == nil {
		return 1
	}
	return g.members.NumMembers()
}

// Addr returns the address that others reach this member at, host:port.
func (g *Gossip) Addr() string { return g.members.LocalNode().Address() }

// Close leaves the cluster and ends all goroutines.
func (g *Gossip) Close() error { return g.close() }

func (g *Gossip) shutdown() error {
	close(g.stop)
	g.done.Wait()
	// A good-bye that nobody hears is noticed by the others' probes.
	_ = g.members.Leave(leaveTimeout)
	if err := g.members.Shutdown(); err != nil {
		return fmt.Errorf("close gossip: %w", err)
	}
	return nil
}

// receive takes hints from the network; b belongs to memberlist.
func (g *Gossip) receive(b []byte) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for len(b) > 0 {
		h, rest, err := DecodeHint(b)
		if err != nil {
			g.config.Logger.Debug("gossip received no hint", "error", err)
			return
		}
		if g.inbox.receive(h, time.Now()) {
			select {
			case g.wake <- struct{}{}:
			default: // it is going to look anyway
			}
		}
		b = rest
	}
}

// deliver hands hints to the owner until stop.
func (g *Gossip) deliver() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-g.stop:
			return
		case <-g.wake:
		case <-timer.C:
		}
		g.mu.Lock()
		hints, wait := g.inbox.take(time.Now())
		g.mu.Unlock()
		if wait > 0 {
			timer.Reset(wait)
		}
		for _, h := range hints {
			if g.config.OnHint != nil {
				g.config.OnHint(h)
			}
		}
	}
}

// join joins again and again until stop: addresses may come to life, and
// halves of a cluster find each other.
func (g *Gossip) join() {
	for {
		for _, address := range g.config.Join {
			select {
			case <-g.stop:
				return
			default:
			}
			if _, err := g.members.Join([]string{address}); err != nil {
				g.config.Logger.Debug("gossip could not join", "address", address, "error", err)
			}
		}
		pause := rejoin
		if g.Members() == 1 {
			pause = rejoinAlone
		}
		timer := time.NewTimer(pause/2 + mathrand.N(pause))
		select {
		case <-g.stop:
			timer.Stop()
			return
		case <-timer.C:
		}
	}
}

// Check says what NewGossip would find wrong with c (ErrGossipConfig) before it
// reads the key file or listens.
func (c GossipConfig) Check() error {
	if err := c.checkCluster(); err != nil {
		return err
	}
	ip, _, err := splitAddress(cmp.Or(c.Bind, defaultBind))
	if err != nil {
		return err
	}
	if c.KeyFile == "" && len(c.Key) == 0 {
		return c.needsKey(ip)
	}
	return nil
}

func (c GossipConfig) checkCluster() error {
	if c.Cluster == "" || len(c.Cluster) > memberlist.LabelMaxSize {
		return fmt.Errorf("%w: cluster name %.40q: use 1 to %d bytes", ErrGossipConfig, c.Cluster, memberlist.LabelMaxSize)
	}
	return nil
}

// needsKey refuses to listen at ip without a key.
func (c GossipConfig) needsKey(ip net.IP) error {
	if ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("%w: bind address %s is not loopback, so a key is required", ErrGossipConfig, c.Bind)
}

// memberlist returns the configuration of memberlist, or ErrGossipConfig.
func (c GossipConfig) memberlist() (*memberlist.Config, error) {
	conf := memberlist.DefaultLANConfig()
	conf.GossipInterval, conf.TCPTimeout = gossipInterval, tcpTimeout
	conf.Transport = c.Transport
	conf.EnableCompression = false // hints are too small to gain by it
	conf.Logger = log.New(logWriter{c.Logger}, "", 0)
	if err := c.checkCluster(); err != nil {
		return nil, err
	}
	conf.Label = c.Cluster
	conf.Name = c.Name
	var err error
	if conf.SecretKey, err = c.key(); err != nil {
		return nil, err
	}
	if err := c.addresses(conf); err != nil {
		return nil, err
	}
	if conf.Name == "" {
		conf.Name = defaultName(conf)
	}
	return conf, nil
}

// defaultName returns the address that a member is reached at, if that is known:
// whoever starts again there is the one that was killed, and not one more until
// the others have found that dead, which takes seconds for each.
func defaultName(conf *memberlist.Config) string {
	address := cmp.Or(conf.AdvertiseAddr, conf.BindAddr)
	if ip := net.ParseIP(address); ip != nil && !ip.IsUnspecified() && conf.AdvertisePort != 0 {
		return net.JoinHostPort(address, strconv.Itoa(conf.AdvertisePort))
	}
	var id [4]byte
	_, _ = rand.Read(id[:]) // never fails
	host, _ := os.Hostname()
	return host + "-" + hex.EncodeToString(id[:])
}

// addresses sets where to listen and what to advertise.
func (c GossipConfig) addresses(conf *memberlist.Config) error {
	ip, port, err := splitAddress(cmp.Or(c.Bind, defaultBind))
	if err != nil {
		return err
	}
	if conf.SecretKey == nil {
		if err := c.needsKey(ip); err != nil {
			return err
		}
	}
	conf.BindAddr, conf.BindPort, conf.AdvertisePort = ip.String(), port, port
	if ip.IsLoopback() && conf.SecretKey == nil {
		conf.CIDRsAllowed = []net.IPNet{
			{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)},
			{IP: net.IPv6loopback, Mask: net.CIDRMask(128, 128)},
		}
	}
	if c.Advertise == "" {
		return nil
	}
	if ip, port, err = splitAddress(c.Advertise); err != nil {
		return err
	}
	conf.AdvertiseAddr, conf.AdvertisePort = ip.String(), port
	return nil
}

func splitAddress(address string) (net.IP, int, error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return nil, 0, fmt.Errorf("%w: %w", ErrGossipConfig, err)
	}
	if host == "localhost" {
		host = "127.0.0.1"
	}
	ip := net.ParseIP(host)
	port, err := strconv.ParseUint(text, 10, 16)
	if ip == nil || err != nil {
		return nil, 0, fmt.Errorf("%w: address %q: use an IP address and a port", ErrGossipConfig, address)
	}
	return ip, int(port), nil
}

// maxKeyFile bounds what is read of a key file, in bytes; it has tens.
const maxKeyFile = 4 << 10

// key returns the key, nil if there is none. Errors do not show it.
func (c GossipConfig) key() ([]byte, error) {
	key := c.Key
	if c.KeyFile != "" {
		if len(key) > 0 {
			return nil, fmt.Errorf("%w: key and key file are both given", ErrGossipConfig)
		}
		b, err := blob.ReadFile(c.KeyFile, maxKeyFile)
		if err != nil {
			return nil, fmt.Errorf("%w: read key: %w", ErrGossipConfig, err)
		}
		if key, err = base64.StdEncoding.DecodeString(string(bytes.TrimSpace(b))); err != nil {
			return nil, fmt.Errorf("%w: key file %s is not base64", ErrGossipConfig, c.KeyFile)
		}
		if len(key) == 0 {
			return nil, fmt.Errorf("%w: key file %s is empty", ErrGossipConfig, c.KeyFile)
		}
	}
	switch len(key) {
	case 0:
		return nil, nil
	case 16, 24, 32:
		return key, nil
	}
	return nil, fmt.Errorf("%w: the key has %d bytes: use 16, 24 or 32", ErrGossipConfig, len(key))
}

// delegate is what memberlist calls; none of it may block.
type delegate struct{ g *Gossip }

func (d delegate) NodeMeta(int) []byte { return nil }

func (d delegate) NotifyMsg(b []byte) { d.g.receive(b) }

func (d delegate) GetBroadcasts(overhead, limit int) [][]byte {
	return d.g.queue.GetBroadcasts(overhead, limit)
}

func (d delegate) LocalState(bool) []byte {
	d.g.mu.Lock()
	defer d.g.mu.Unlock()
	return d.g.inbox.confirmed.Append(nil)
}

func (d delegate) MergeRemoteState(b []byte, _ bool) { d.g.receive(b) }

// broadcast is a hint in the queue, where a newer one of the same dataset
// replaces it.
type broadcast Hint

var _ memberlist.NamedBroadcast = broadcast{}

func (b broadcast) Name() string { return string(b.Dataset) }

func (b broadcast) Invalidates(other memberlist.Broadcast) bool {
	o, ok := other.(broadcast)
	return ok && o.Dataset == b.Dataset
}

func (b broadcast) Message() []byte { return Hint(b).Append(nil) }

func (b broadcast) Finished() {}

// logWriter passes memberlist's lines on: that a member is gone is everyday
// life, and readiness does not depend on it.
type logWriter struct{ logger *slog.Logger }

func (w logWriter) Write(b []byte) (int, error) {
	w.logger.Debug("memberlist", "line", string(bytes.TrimSpace(b)))
	return len(b), nil
}
