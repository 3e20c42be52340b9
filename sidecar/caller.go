package sidecar

import (
	"context"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/peer"
)

// caller is one connection, and what bounds it. gRPC hands it to each call as
// the connection's credentials. All methods of a nil caller do nothing and
// allow everything.
type caller struct {
	credentials.CommonAuthInfo
	conn  net.Conn
	rate  *rate // shared by all connections of a user; nil if there is no bound
	limit int64 // of pending

	pending   atomic.Int64 // bytes of answers that the transport has not written
	receiving atomic.Int64 // requests that have begun and not arrived
	progress  atomic.Int64 // answers written and requests that arrived
}

var (
	_ credentials.AuthInfo = (*caller)(nil)
	_ mem.BufferPool       = (*caller)(nil)
)

// AuthType implements credentials.AuthInfo.
func (*caller) AuthType() string { return "local" }

// callerOf returns who makes a call, nil if that is not known.
func callerOf(ctx context.Context) *caller {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	c, _ := p.AuthInfo.(*caller)
	return c
}

// allow says whether the caller may look up once more now.
func (c *caller) allow(now time.Time) bool { return c == nil || c.rate.allow(now) }

// full says whether the caller has too many answers to read.
func (c *caller) full() bool { return c != nil && c.pending.Load() > c.limit }

// begin and end are around the reading of a request.
func (c *caller) begin() {
	if c != nil {
		c.receiving.Add(1)
	}
}

func (c *caller) end() {
	if c != nil {
		c.receiving.Add(-1)
		c.progress.Add(1)
	}
}

// lend counts a buffer of the shared pool as pending until the transport has
// written it, and returns the pool that takes it back.
func (c *caller) lend(b *[]byte) mem.BufferPool {
	if c == nil {
		return &buffers
	}
	c.pending.Add(int64(len(*b)))
	return c
}

// Get implements mem.BufferPool.
func (c *caller) Get(n int) *[]byte { return buffers.Get(n) }

// Put implements mem.BufferPool: the transport is done with b.
func (c *caller) Put(b *[]byte) {
	c.pending.Add(-int64(len(*b)))
	c.progress.Add(1)
	buffers.Put(b)
}

// callers are the connections of a sidecar. It makes their credentials, and
// closes those that neither read nor write what they began.
type callers struct {
	limits Limits

	mu    sync.Mutex
	all   map[*caller]*watched
	rates map[int]*rate // by user
}

// watched is what was last seen of a caller.
type watched struct {
	progress int64
	since    time.Time // when it last made progress, or had nothing to do
}

var _ credentials.TransportCredentials = (*callers)(nil)

func newCallers(l Limits) *callers {
	return &callers{limits: l, all: map[*caller]*watched{}, rates: map[int]*rate{}}
}

// ServerHandshake implements credentials.TransportCredentials.
func (a *callers) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c := &caller{conn: conn, limit: a.limits.MaxPendingBytes}
	c.SecurityLevel = credentials.NoSecurity
	a.mu.Lock()
	defer a.mu.Unlock()
	if user, ok := peerUser(conn); ok {
		c.SecurityLevel = credentials.PrivacyAndIntegrity
		if a.rates[user] == nil {
			a.rates[user] = newRate(a.limits.MaxRate)
		}
		c.rate = a.rates[user]
	} else {
		c.rate = newRate(a.limits.MaxRate)
	}
	a.all[c] = &watched{since: time.Now()}
	return &callerConn{Conn: conn, forget: func() { a.forget(c) }}, c, nil
}

// callerConn tells when a connection ends.
type callerConn struct {
	net.Conn
	forget func()
}

func (c *callerConn) Close() error {
	c.forget()
	return c.Conn.Close()
}

func (a *callers) forget(c *caller) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.all, c)
}

// sweep closes the connections that made no progress for too long although
// there was something to do.
func (a *callers) sweep(now time.Time) (closed int) {
	a.mu.Lock()
	var stuck []*caller
	for c, seen := range a.all {
		progress := c.progress.Load()
		if progress != seen.progress || c.pending.Load() == 0 && c.receiving.Load() == 0 {
			seen.progress, seen.since = progress, now
		} else if now.Sub(seen.since) > a.limits.MaxStall {
			stuck = append(stuck, c)
		}
	}
	a.mu.Unlock()
	for _, c := range stuck {
		c.conn.Close() // gRPC ends its calls
	}
	return len(stuck)
}

// ClientHandshake implements credentials.TransportCredentials; there are no
// clients.
func (*callers) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, errUnsupported
}

// Info implements credentials.TransportCredentials.
func (*callers) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "local"}
}

// Clone implements credentials.TransportCredentials.
func (a *callers) Clone() credentials.TransportCredentials { return a }

// OverrideServerName implements credentials.TransportCredentials.
func (*callers) OverrideServerName(string) error { return nil }
