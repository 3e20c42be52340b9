package sidecar

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
)

// user is who makes calls, on however many connections: a user of the machine
// on the Unix socket, else a host.
type user struct {
	name    string
	lookups *rate // nil if there is no bound
	others  *rate // health, reflection and pages for operators
	conns   int   // of gRPC; guarded by the mutex of callers, as is pages
	pages   int   // connections to the admin address
}

// otherRate is the least rate of what is no look-up, so that a low rate of
// look-ups does not make a sidecar look dead.
const otherRate = 100

func newUser(name string, l Limits) *user {
	u := &user{name: name, lookups: newRate(l.MaxRate)}
	if l.MaxRate > 0 {
		u.others = newRate(max(l.MaxRate, otherRate))
	}
	return u
}

// caller is one connection, and what bounds it. gRPC hands it to each call as
// the connection's credentials. The methods of a nil caller do nothing and
// allow everything, but for those in pending.go that count what waits.
type caller struct {
	credentials.CommonAuthInfo
	conn    net.Conn
	user    *user
	backlog *backlog
	waiting []*waiter // lists that wait for room in the backlog, which guards them

	pending atomic.Int64 // bytes of the backlog: answers that the transport has not written
	claimed atomic.Int64 // bytes of the backlog: requests, and answers that are being made
	written atomic.Int64 // answers
	arrived atomic.Int64 // requests

	mu       sync.Mutex
	arriving []*arrival // requests that have begun and not arrived
}

var _ credentials.AuthInfo = (*caller)(nil)

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

// allow says whether the caller may call once more now.
func (c *caller) allow(k class, now time.Time) bool {
	switch {
	case c == nil:
		return true
	case k == classLookup:
		return c.user.lookups.allow(now, 1)
	case k == classHeavy:
		return c.user.lookups.allow(now, heavyWeight)
	}
	return c.user.others.allow(now, 1)
}

// name returns the name of the user, empty if there is none.
func (c *caller) name() string {
	if c == nil {
		return ""
	}
	return c.user.name
}

// begin and end are around the reading of a request. begin returns how many
// others are read.
func (c *caller) begin(x *arrival) (others int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	x.at, x.seen = len(c.arriving), time.Time{}
	c.arriving = append(c.arriving, x)
	return x.at
}

func (c *caller) end(x *arrival) {
	c.arrived.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	last := len(c.arriving) - 1
	c.arriving[x.at], c.arriving[last].at = c.arriving[last], x.at
	c.arriving[last] = nil
	c.arriving = c.arriving[:last]
}

// hurry ends the calls whose requests take longer to arrive than stall. It does
// so by what they read from, which fails then.
func (c *caller) hurry(now time.Time, stall time.Duration) (ended int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, x := range c.arriving {
		switch {
		case x.seen.IsZero():
			x.seen = now
		case !x.late && now.Sub(x.seen) > stall:
			x.late = true
			ended++
			_ = x.wire.WriteStatus(errLateStatus) // fails only if the call is over
		}
	}
	return ended
}

// callers are the connections of a sidecar. It makes their credentials, and
// closes those that do not read, and ends calls whose requests do not arrive.
type callers struct {
	limits  Limits
	backlog backlog
	refused atomic.Int64 // connections
	late    atomic.Int64 // requests

	mu    sync.Mutex
	all   map[*caller]*watched
	users map[string]*user // by name
}

// watched is what was last seen of a caller.
type watched struct {
	written, arrived int64
	since            time.Time // when it last made progress, or had nothing to do
}

var _ credentials.TransportCredentials = (*callers)(nil)

func newCallers(l Limits) *callers {
	a := &callers{limits: l, all: map[*caller]*watched{}, users: map[string]*user{}}
	a.backlog.limit = l.MaxPendingBytes
	return a
}

// ServerHandshake implements credentials.TransportCredentials.
func (a *callers) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	c := &caller{conn: conn, backlog: &a.backlog}
	c.SecurityLevel = credentials.NoSecurity
	name := hostOf(conn.RemoteAddr().String())
	if id, ok := peerUser(conn); ok {
		c.SecurityLevel = credentials.PrivacyAndIntegrity
		name = fmt.Sprint("user ", id)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	c.user = a.user(name)
	if !a.count(&c.user.conns) {
		return nil, nil, fmt.Errorf("%w: more than %d connections of one caller (limits.max_caller_connections)", errLimit, a.limits.callerConnections())
	}
	a.all[c] = &watched{since: time.Now()}
	return &callerConn{Conn: conn, forget: sync.OnceFunc(func() { a.forget(c) })}, c, nil
}

// count counts a connection in, if there is room. The mutex is held.
func (a *callers) count(conns *int) bool {
	if *conns >= a.limits.callerConnections() {
		a.refused.Add(1)
		return false
	}
	*conns++
	return true
}

// admit counts a connection to the admin address in until it is closed. It
// returns nil if its host has too many of them.
func (a *callers) admit(conn net.Conn) net.Conn {
	a.mu.Lock()
	defer a.mu.Unlock()
	u := a.user(hostOf(conn.RemoteAddr().String()))
	if !a.count(&u.pages) {
		return nil
	}
	return &callerConn{Conn: conn, forget: sync.OnceFunc(func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		u.pages--
	})}
}

// user returns the user of a name. The mutex is held.
func (a *callers) user(name string) *user {
	u := a.users[name]
	if u == nil {
		u = newUser(name, a.limits)
		a.users[name] = u
	}
	return u
}

// remote returns who makes an HTTP request.
func (a *callers) remote(address string) *caller {
	a.mu.Lock()
	defer a.mu.Unlock()
	return &caller{user: a.user(hostOf(address)), backlog: &a.backlog}
}

// hostOf returns the host of an address host:port, or what all callers share
// that have none: only the own user can be one on the Unix socket.
func hostOf(address string) string {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return "local"
	}
	return at.Addr().Unmap().String()
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
	c.user.conns--
	c.leave()
}

// moved says whether the caller made progress since it was last seen, or has
// nothing to read. While it has more answers to read than it may have again,
// further requests are none: it could keep others from that memory for ever.
func (c *caller) moved(seen *watched) bool {
	written, arrived := c.written.Load(), c.arrived.Load()
	moved := written != seen.written || arrived != seen.arrived && c.fits(c.pending.Load()/2)
	seen.written, seen.arrived = written, arrived
	return moved || c.pending.Load() == 0
}

// sweep closes the connections that made no progress for too long although
// there was something to read, and ends calls whose requests take too long to
// arrive, whatever else their connection does. It forgets users that are gone,
// but not before their rates are what new ones would be: who comes back gains
// nothing.
func (a *callers) sweep(now time.Time) (closed int) {
	a.mu.Lock()
	var stuck []*caller
	for c, seen := range a.all {
		a.late.Add(c.hurry(now, a.limits.MaxStall))
		if c.moved(seen) {
			seen.since = now
		} else if now.Sub(seen.since) > a.limits.MaxStall {
			stuck = append(stuck, c)
		}
	}
	for name, u := range a.users {
		if u.conns == 0 && u.pages == 0 && u.lookups.idle(now) && u.others.idle(now) {
			delete(a.users, name)
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
