package announcetest

import (
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/holdfast-data/holdfast/pkg/announce"
)

// errUnreachable is what dialling finds when a network is cut.
var errUnreachable = errors.New("host is unreachable")

// A Fate decides what becomes of a packet from one host to another: it arrives
// once after each delay, so no delay loses it. It also decides, with a nil
// packet, whether a connection can be made.
type Fate func(from, to int, packet []byte) []time.Duration

// A Network connects gossip in memory. Its hosts are numbered from 0. In a
// bubble of testing/synctest its time is virtual.
type Network struct {
	mu    sync.Mutex
	fate  Fate
	hosts []*host
	seen  func(from, to int, packet []byte)
}

// Set makes fate decide from now on; nil delivers everything at once.
func (n *Network) Set(fate Fate) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.fate = fate
}

// Watch calls f with every packet that is sent.
func (n *Network) Watch(f func(from, to int, packet []byte)) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.seen = f
}

// Host returns a new host's transport and its address.
func (n *Network) Host() (t announce.Transport, address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	h := &host{
		net: n, index: len(n.hosts), packets: make(chan *announce.Packet, 256), streams: make(chan net.Conn), stop: make(chan struct{}),
	}
	n.hosts = append(n.hosts, h)
	return h, h.address().String()
}

// Inject delivers a packet to a host, as if it came from another.
func (n *Network) Inject(from, to int, packet []byte) {
	n.mu.Lock()
	source, target := n.hosts[from], n.hosts[to]
	n.mu.Unlock()
	target.receive(source.address(), packet)
}

// ask returns the host at an address and what becomes of a packet to it.
func (n *Network) ask(from int, address string, packet []byte) (to *host, delays []time.Duration) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, h := range n.hosts {
		if h.address().String() != address {
			continue
		}
		if n.seen != nil && packet != nil {
			n.seen(from, h.index, packet)
		}
		if n.fate == nil {
			return h, []time.Duration{0}
		}
		return h, n.fate(from, h.index, packet)
	}
	return nil, nil
}

// host is one host's end of a Network.
type host struct {
	net     *Network
	index   int
	packets chan *announce.Packet
	streams chan net.Conn
	stop    chan struct{}
	once    sync.Once
}

var _ announce.Transport = (*host)(nil)

func (h *host) address() *net.UDPAddr {
	return &net.UDPAddr{IP: net.IPv4(127, 0, byte(h.index>>8), byte(h.index&0xff)).To4(), Port: 7512}
}

// FinalAdvertiseAddr implements announce.Transport.
func (h *host) FinalAdvertiseAddr(string, int) (net.IP, int, error) {
	return h.address().IP, h.address().Port, nil
}

// WriteTo implements announce.Transport.
func (h *host) WriteTo(b []byte, address string) (time.Time, error) {
	packet := append([]byte(nil), b...)
	to, delays := h.net.ask(h.index, address, packet)
	for _, d := range delays {
		if d == 0 {
			to.receive(h.address(), packet)
			continue
		}
		time.AfterFunc(d, func() { to.receive(h.address(), packet) })
	}
	return time.Now(), nil
}

// receive takes a packet, unless there are too many: a network may lose them.
func (h *host) receive(from net.Addr, packet []byte) {
	select {
	case <-h.stop:
	case h.packets <- &announce.Packet{Buf: append([]byte(nil), packet...), From: from, Timestamp: time.Now()}:
	default:
	}
}

// PacketCh implements announce.Transport.
func (h *host) PacketCh() <-chan *announce.Packet { return h.packets }

// DialTimeout implements announce.Transport.
func (h *host) DialTimeout(address string, timeout time.Duration) (net.Conn, error) {
	to, delays := h.net.ask(h.index, address, nil)
	if to == nil || len(delays) == 0 {
		return nil, fmt.Errorf("dial %s: %w", address, errUnreachable)
	}
	own, other := net.Pipe()
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case to.streams <- named{other, h.address()}:
		return named{own, to.address()}, nil
	case <-to.stop:
	case <-timer.C:
	}
	return nil, fmt.Errorf("dial %s: %w", address, errUnreachable)
}

// StreamCh implements announce.Transport.
func (h *host) StreamCh() <-chan net.Conn { return h.streams }

// Shutdown implements announce.Transport.
func (h *host) Shutdown() error {
	h.once.Do(func() { close(h.stop) })
	return nil
}

// named is a connection that knows who is at the other end.
type named struct {
	net.Conn
	peer net.Addr
}

func (c named) RemoteAddr() net.Addr { return c.peer }
