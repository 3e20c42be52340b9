package announce

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/memberlist"
)

// errOldEncryption is why a connection is not read on.
var errOldEncryption = errors.New("gossip says that it is encrypted in the old way")

// What a guard reads of memberlist's messages.
const (
	labelByte     = 244 // begins the label: this byte, the length, the label
	encryptedByte = 10  // begins an encrypted message of a stream, before a length of 4 bytes
	oldEncryption = 0   // the version of encryption that pads
)

// guard stands between the network and memberlist where gossip is encrypted. It
// drops what names the old version of encryption: nobody here sends it, the
// version is not covered by the encryption, and memberlist panics on a message
// whose version somebody has changed to it.
type guard struct {
	memberlist.Transport
	packets chan *memberlist.Packet
	streams chan net.Conn
	stop    chan struct{}
	done    sync.WaitGroup
	once    sync.Once
}

var _ memberlist.NodeAwareTransport = (*guard)(nil)

// newGuard takes over a transport.
func newGuard(t memberlist.Transport) *guard {
	g := &guard{Transport: t, packets: make(chan *memberlist.Packet), streams: make(chan net.Conn), stop: make(chan struct{})}
	g.done.Go(g.pass)
	return g
}

// pass hands on what comes, until Shutdown.
func (g *guard) pass() {
	for {
		select {
		case p := <-g.Transport.PacketCh():
			if oldPacket(p.Buf) {
				continue
			}
			select {
			case g.packets <- p:
			case <-g.stop:
			}
		case c := <-g.Transport.StreamCh():
			select {
			case g.streams <- guarded(c):
			case <-g.stop:
				c.Close()
			}
		case <-g.stop:
			return
		}
	}
}

// oldPacket says whether a datagram names the old version of encryption.
func oldPacket(b []byte) bool {
	b, _, err := memberlist.RemoveLabelHeaderFromPacket(b)
	return err == nil && len(b) > 0 && b[0] == oldEncryption
}

// PacketCh implements memberlist.Transport.
func (g *guard) PacketCh() <-chan *memberlist.Packet { return g.packets }

// StreamCh implements memberlist.Transport.
func (g *guard) StreamCh() <-chan net.Conn { return g.streams }

// DialTimeout implements memberlist.Transport.
func (g *guard) DialTimeout(address string, timeout time.Duration) (net.Conn, error) {
	c, err := g.Transport.DialTimeout(address, timeout)
	if err != nil {
		return nil, err
	}
	return guarded(c), nil
}

// DialAddressTimeout implements memberlist.NodeAwareTransport.
func (g *guard) DialAddressTimeout(a memberlist.Address, timeout time.Duration) (net.Conn, error) {
	return g.DialTimeout(a.Addr, timeout)
}

// WriteToAddress implements memberlist.NodeAwareTransport.
func (g *guard) WriteToAddress(b []byte, a memberlist.Address) (time.Time, error) {
	return g.WriteTo(b, a.Addr)
}

// Shutdown implements memberlist.Transport. The transport ends first, because it
// may be about to hand something on.
func (g *guard) Shutdown() error {
	err := g.Transport.Shutdown()
	g.once.Do(func() { close(g.stop) })
	g.done.Wait()
	return err
}

// guardedConn looks at the head of its first message before anybody reads it.
type guardedConn struct {
	net.Conn
	in      *bufio.Reader
	checked bool
}

func guarded(c net.Conn) *guardedConn { return &guardedConn{Conn: c, in: bufio.NewReader(c)} }

// Read implements net.Conn.
func (c *guardedConn) Read(b []byte) (int, error) {
	if !c.checked {
		if err := c.check(); err != nil {
			return 0, err
		}
		c.checked = true
	}
	return c.in.Read(b)
}

// check fails with errOldEncryption, or if there is no whole head.
func (c *guardedConn) check() error {
	at := 0
	head, err := c.in.Peek(2)
	if err == nil && head[0] == labelByte {
		at = 2 + int(head[1])
	}
	if err == nil {
		head, err = c.in.Peek(at + 1)
	}
	if err != nil || head[at] != encryptedByte {
		return err // memberlist refuses what is not encrypted
	}
	if head, err = c.in.Peek(at + 6); err == nil && head[at+5] == oldEncryption {
		err = errOldEncryption
	}
	return err
}

// create starts memberlist, behind a guard if gossip is encrypted.
func create(conf *memberlist.Config) (*memberlist.Memberlist, error) {
	if conf.SecretKey == nil {
		return memberlist.Create(conf)
	}
	if err := guardTransport(conf); err != nil {
		return nil, err
	}
	m, err := memberlist.Create(conf)
	if err != nil {
		err = errors.Join(err, conf.Transport.Shutdown())
	}
	return m, err
}

// guardTransport makes conf's transport a guarded one. It listens, unless there
// is a transport already.
func guardTransport(conf *memberlist.Config) error {
	if conf.Transport == nil {
		t, err := listenGossip(conf)
		if err != nil {
			return fmt.Errorf("listen on %s port %d: %w", conf.BindAddr, conf.BindPort, err)
		}
		if conf.BindPort == 0 {
			conf.BindPort = t.GetAutoBindPort()
		}
		if conf.AdvertisePort == 0 {
			conf.AdvertisePort = conf.BindPort
		}
		conf.Transport = t
	}
	conf.Transport = newGuard(conf.Transport)
	return nil
}

// portTries is how often a free port is looked for that is free for TCP and UDP.
const portTries = 10

func listenGossip(conf *memberlist.Config) (t *memberlist.NetTransport, err error) {
	for range portTries {
		t, err = memberlist.NewNetTransport(&memberlist.NetTransportConfig{
			BindAddrs: []string{conf.BindAddr}, BindPort: conf.BindPort, Logger: conf.Logger,
		})
		if err == nil || conf.BindPort != 0 || !strings.Contains(err.Error(), "address already in use") {
			break
		}
	}
	return t, err
}
